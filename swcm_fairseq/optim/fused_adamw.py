"""``--optimizer fused_adamw``: AdamW in one pass over the parameters, torch's own.

Without apex, fairseq's ``adam`` makes eleven passes and one temporary copy of a parameter (under ``--fp16`` and
``--bf16``, of all of them at once). The update is the same but for where epsilon stands: fairseq adds it before the
correction of the second moment's bias, torch after it, as in Adam's paper (Kingma & Ba 2015).
"""

import ast
from dataclasses import dataclass, field
from typing import Any

import torch
from fairseq.dataclass import FairseqDataclass
from fairseq.optim import FairseqOptimizer, register_optimizer
from omegaconf import II

from swcm_fairseq.errors import InputError


@dataclass
class FusedAdamWConfig(FairseqDataclass):
    """Options of the optimizer, named as those of fairseq's ``adam``."""

    adam_betas: str = field(default="(0.9, 0.999)", metadata={"help": "betas of Adam"})
    adam_eps: float = field(default=1e-8, metadata={"help": "epsilon of Adam"})
    weight_decay: float = field(default=0.0, metadata={"help": "weight decay, decoupled from the gradient"})
    lr: list[float] = II("optimization.lr")  # noqa: RUF009


@register_optimizer("fused_adamw", dataclass=FusedAdamWConfig)
class FusedAdamW(FairseqOptimizer):
    """``torch.optim.AdamW(fused=True)`` for fairseq's trainer.

    Raises:
        InputError: ``--adam-betas`` are not two numbers.
    """

    supports_flat_params = True  # elementwise, so it does not matter where one parameter ends

    def __init__(self, cfg: FusedAdamWConfig, params: Any):
        super().__init__(cfg)
        self._optimizer = torch.optim.AdamW(params, fused=True, **self.optimizer_config)

    @property
    def optimizer_config(self) -> dict[str, Any]:
        """What the command line says; it overrides what a checkpoint has."""
        return {
            "lr": self.cfg.lr[0],
            "betas": _betas(self.cfg.adam_betas),
            "eps": self.cfg.adam_eps,
            "weight_decay": self.cfg.weight_decay,
        }


def _betas(text: str) -> tuple[float, float]:
    """``(0.9, 0.999)`` as numbers."""
    try:
        first, second = (float(number) for number in ast.literal_eval(text))
    except (ValueError, TypeError, SyntaxError) as error:
        raise InputError(f"--adam-betas {text}: give two numbers, such as '(0.9, 0.999)'") from error
    if not (0 <= first < 1 and 0 <= second < 1):
        raise InputError(f"--adam-betas {text}: both are at least 0 and less than 1")
    return first, second
