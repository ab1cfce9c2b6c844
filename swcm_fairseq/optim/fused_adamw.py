"""``--optimizer fused_adamw``: torch's AdamW, in one pass over the parameters.

Without apex, fairseq's ``adam`` makes eleven passes and a temporary copy of one parameter at a time (of all parameters
at once with ``--fp16`` and ``--bf16``). The updates differ only in epsilon: fairseq adds it before correcting the bias
of the second moment, torch after it, as in the Adam paper (Kingma & Ba 2015).

The state includes the full-precision parameters of half-precision training (``--fp16``, ``--bf16``). Otherwise, when
training is resumed, fairseq would recreate them from the model's rounded parameters and lose updates that are smaller
than a rounding step.
"""

import ast
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from fairseq.dataclass import FairseqDataclass
from fairseq.optim import FairseqOptimizer, register_optimizer
from omegaconf import II

from swcm_fairseq.checkpoint_state import Options
from swcm_fairseq.errors import InputError
from swcm_fairseq.options import option

logger = logging.getLogger(__name__)

_FULL_PRECISION = "full_precision"  # key of the state


@dataclass
class FusedAdamWConfig(FairseqDataclass):
    """Options of the optimizer, with the same names as those of fairseq's ``adam``."""

    adam_betas: str = option("(0.9, 0.999)", "betas of Adam")
    adam_eps: float = option(1e-8, "epsilon of Adam")
    weight_decay: float = option(0.0, "weight decay, decoupled from the gradient")
    lr: list[float] = II("optimization.lr")  # noqa: RUF009
    fp16: bool = II("common.fp16")
    bf16: bool = II("common.bf16")


@register_optimizer("fused_adamw", dataclass=FusedAdamWConfig)
class FusedAdamW(FairseqOptimizer):
    """``torch.optim.AdamW(fused=True)`` for fairseq's trainer.

    Raises:
        InputError: ``--adam-betas`` is not a pair of valid numbers.
    """

    supports_flat_params = True  # updates are elementwise, so boundaries between parameters do not matter

    def __init__(self, cfg: FusedAdamWConfig, params: Iterable[torch.Tensor]):
        super().__init__(cfg)
        self._optimizer = torch.optim.AdamW(params, fused=True, **self.optimizer_config)

    @property
    def optimizer_config(self) -> Options:
        """The values from the command line, which override those in a checkpoint."""
        return {
            "lr": self.cfg.lr[0],
            "betas": _betas(self.cfg.adam_betas),
            "eps": self.cfg.adam_eps,
            "weight_decay": self.cfg.weight_decay,
        }

    def clip_grad_norm(self, max_norm: float, aggregate_norm_fn: Callable | None = None) -> torch.Tensor:
        """As in fairseq, with a few kernels for all gradients; returns the norm before clipping, 0-dim float32."""
        gradients = [parameter.grad for parameter in self.params if parameter.grad is not None]
        if not gradients:
            return super().clip_grad_norm(max_norm, aggregate_norm_fn)
        norms = torch._foreach_norm(gradients, 2.0, dtype=torch.float32)
        norm = torch.linalg.vector_norm(torch.stack(norms))
        if aggregate_norm_fn is not None:
            norm = aggregate_norm_fn(norm)
        if max_norm > 0:
            torch._foreach_mul_(gradients, (max_norm / (norm + 1e-6)).clamp_(max=1))
        return norm

    @property
    def _copies(self) -> list[torch.Tensor]:
        """The float32 parameters, if they are copies of those of a half-precision model; otherwise []."""
        parameters = [parameter for group in self.param_groups for parameter in group["params"]]
        half = self.cfg.fp16 or self.cfg.bf16
        return [parameter.detach() for parameter in parameters] if half and parameters[0].dtype == torch.float32 else []

    def state_dict(self) -> Options:
        """The state of torch's optimizer, and the float32 copies of half-precision parameters."""
        return {**super().state_dict(), _FULL_PRECISION: self._copies}

    def load_state_dict(self, state_dict: Options, optimizer_overrides: Options | None = None) -> None:
        """As in fairseq; also restore the float32 copies, unless the model's parameters have changed since."""
        others = {key: value for key, value in state_dict.items() if key != _FULL_PRECISION}
        super().load_state_dict(others, optimizer_overrides)
        saved = state_dict.get(_FULL_PRECISION, [])  # fairseq's adam has none
        if not saved or not self._copies:
            return
        half = torch.float16 if self.cfg.fp16 else torch.bfloat16
        pairs = [(copy, value.to(copy)) for copy, value in zip(self._copies, saved, strict=True)]
        if not all(torch.equal(copy, value.to(half).to(copy)) for copy, value in pairs):
            logger.warning("the checkpoint's weights were changed after training; its float32 copies are not used")
            return
        for copy, value in pairs:
            copy.copy_(value)


def _betas(text: str) -> tuple[float, float]:
    """Parse ``(0.9, 0.999)``; raises :class:`InputError` if that fails or a number is out of range."""
    try:
        first, second = (float(number) for number in ast.literal_eval(text))
    except (ValueError, TypeError, SyntaxError) as error:
        raise InputError(f"--adam-betas {text}: give two numbers, such as '(0.9, 0.999)'") from error
    if not (0 <= first < 1 and 0 <= second < 1):
        raise InputError(f"--adam-betas {text}: both numbers must be at least 0 and below 1")
    return first, second
