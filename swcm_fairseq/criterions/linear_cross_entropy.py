"""Cross entropy of ``features @ weight.T`` without keeping the logits.

With a vocabulary of 135,364 the logits of 75 x 256 tokens are 2.6 billion numbers. Here they exist for a chunk of
rows at a time. The loss is a sum, so its gradient with respect to the logits of a row is known as soon as the row
is (softmax minus the smoothed target); it is turned into the gradients of the features and of the weight at once,
and the backward pass only scales them. The logits are therefore computed once, not twice.

torch's own ``linear_cross_entropy`` (2.13) works in the same way. It is used where it is sufficient: sums,
no label smoothing, float32 (in half precision it rounds the loss and adds up the weight's gradient in that precision).

On CUDA the passes over a chunk's logits are fused by ``torch.compile`` where a compiler is at hand.
"""

import logging
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from swcm_fairseq.compilation import compile_problem
from swcm_fairseq.errors import InputError

logger = logging.getLogger(__name__)

# Gradients of the logits are multiplied by this before they are rounded to fp16, and divided by it after the matrix
# product: with 100,000 words a probability is around 1e-5, where fp16 has few digits left. Their size is at most 1.
_FP16_SCALE = 4096.0
# A row of logits takes a multiple of so many elements, so that every row of a half-precision product is aligned to
# 16 bytes and more, whatever the size of the vocabulary (135,364 is no multiple of 8).
ALIGNMENT = 64
CPU_MEMORY = 256.0  # MiB of float32 logits: the default size of a chunk on a CPU
# On CUDA a chunk reads and writes the weight's gradient once, 416 MB for 135,364 x 768: few, large chunks.
CUDA_ROWS = 3072
# torch.addmm that adds up in float32 what it multiplies in half precision (CUDA only).
_ADDMM_WIDENS = "dtype_out" in torch.ops.aten.addmm.overloads()

LossOfRows = Callable[[Tensor, Tensor, float, float, Tensor | None], tuple[Tensor, Tensor]]  # see _loss_


class CrossEntropy(NamedTuple):
    """What :func:`linear_cross_entropy` returns.

    Attributes:
        loss: 0-dim float32 (float64 for float64 features), the sum over rows, label smoothing included.
        nll: 0-dim of the same dtype, the sum of negative log-likelihoods in nats, without gradient.
        row_loss: [N], the terms of ``loss``, without gradient; None if they were not asked for.
        row_nll: [N], the terms of ``nll``; None if they were not asked for.
    """

    loss: Tensor
    nll: Tensor
    row_loss: Tensor | None
    row_nll: Tensor | None


def rows_per_chunk(vocabulary: int, memory: float) -> int:
    """How many rows of float32 logits fit into ``memory`` MiB; at least one."""
    return max(1, int(memory * 2**20) // (4 * vocabulary))


def default_chunk_rows(vocabulary: int, device: torch.device) -> int:
    """Rows of a chunk where none are asked for, for an output matrix of ``vocabulary`` rows on ``device``."""
    return CUDA_ROWS if device.type == "cuda" else rows_per_chunk(vocabulary, CPU_MEMORY)


def aligned_rows(rows: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Uninitialized memory [rows, width] whose rows start :data:`ALIGNMENT` elements, or a multiple of it, apart."""
    padded = -(-width // ALIGNMENT) * ALIGNMENT
    return torch.empty(rows, padded, dtype=dtype, device=device)[:, :width]


def torch_applies(features: Tensor, label_smoothing: float, per_row: bool) -> bool:
    """Whether ``F.linear_cross_entropy`` supports this case, as fast and as exactly."""
    return (
        hasattr(F, "linear_cross_entropy")
        and not label_smoothing
        and not per_row
        and features.dtype in (torch.float32, torch.float64)
        and not torch.is_autocast_enabled(features.device.type)
    )


def linear_cross_entropy(
    features: Tensor,
    weight: Tensor,
    target: Tensor,
    label_smoothing: float = 0.0,
    chunk_rows: int | None = None,
    per_row: bool = True,
    fused: bool | None = None,
) -> CrossEntropy:
    """Sum of the label-smoothed cross entropies of ``features @ weight.T``.

    The formula is that of fairseq's ``label_smoothed_cross_entropy``: with V words and smoothing e, the target word
    has the weight 1 - e and each other word e / (V - 1).

    Args:
        features: [N, C] floating point, the rows that count (padding is left out by the caller).
        weight: [V, C], the output matrix.
        target: int64 [N].
        label_smoothing: e, in [0, 1).
        chunk_rows: rows whose logits exist at one time; None: :func:`default_chunk_rows`.
        per_row: whether the terms of each row are wanted.
        fused: whether the passes over the logits are compiled into few; None: on CUDA, where there is a compiler.

    Half-precision inputs are multiplied in their own precision and summed in float32. Inside ``torch.autocast`` the
    products on CUDA run in the autocast dtype; the gradient of ``weight`` is accumulated in float32 all the same.

    Raises:
        InputError: ``chunk_rows`` is less than 1.
    """
    if chunk_rows is None:
        chunk_rows = default_chunk_rows(weight.size(0), weight.device)
    if chunk_rows < 1:
        raise InputError(f"chunk_rows={chunk_rows}: give 1 or more rows of logits")
    if torch_applies(features, label_smoothing, per_row):
        options = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=chunk_rows, acc_policy="compact")
        loss = F.linear_cross_entropy(features, weight, target, reduction="sum", options=options)
        return CrossEntropy(loss, loss.detach().clone(), None, None)
    wanted = [torch.is_grad_enabled() and tensor.requires_grad for tensor in (features, weight)]
    if fused is None:
        fused = features.is_cuda and not compile_problem("cuda")
    loss_of_rows = fused_loss() if fused else _loss_
    loss, *rows = _LinearCrossEntropy.apply(
        features, weight, target, label_smoothing, chunk_rows, loss_of_rows, *wanted
    )
    return CrossEntropy(loss, rows[1].sum(), *rows)


def operands(features: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """``features`` and ``weight`` in the dtype in which they are to be multiplied."""
    kind = features.device.type
    if kind != "cuda":  # elsewhere half precision is not faster, only less exact
        dtype = torch.promote_types(features.dtype, torch.float32)
    elif torch.is_autocast_enabled(kind):
        dtype = torch.get_autocast_dtype(kind)
    else:
        dtype = features.dtype
    return features.detach().to(dtype), weight.detach().to(dtype)


def gradient_dtype(features: Tensor, multiplied: torch.dtype) -> torch.dtype:
    """What the logits' gradient is rounded to for its products; ``multiplied`` is the dtype of the logits' own product.

    A CPU with bfloat16 arithmetic takes half the time for these two of the three products in bfloat16. The gradients of
    bfloat16 features and weights are rounded to it in the end anyway; the logits themselves stay exact.
    """
    if features.device.type == "cpu" and features.dtype == torch.bfloat16 and torch.cpu._is_avx512_bf16_supported():
        return torch.bfloat16
    return multiplied


def matmul(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """``left @ right`` in float32 (or float64), also for half-precision operands.

    On CUDA their product is never rounded to half precision; on a CPU, where torch cannot widen it, it is.
    """
    if left.dtype not in (torch.float16, torch.bfloat16):
        return torch.mm(left, right, out=out)
    if left.is_cuda:
        return torch.mm(left, right, out_dtype=torch.float32, out=out)
    product = torch.mm(left, right)
    return product.float() if out is None else out.copy_(product)


def _add_product_(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add ``left @ right`` to ``total``, which may be of higher precision."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    elif total.is_cuda and _ADDMM_WIDENS:
        torch.addmm(total, left, right, out_dtype=total.dtype, out=total)
    else:
        total += matmul(left, right)


def _loss_(
    logits: Tensor, target: Tensor, label_smoothing: float, scale: float, gradient: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Loss and nll, [n] each, of the rows of ``logits`` [n, V], of which nothing is left afterwards.

    ``gradient`` [n, V], which may be ``logits`` itself, receives ``scale`` times the loss's gradient; None: not wanted.
    """
    other = label_smoothing / (logits.size(1) - 1)
    own = 1.0 - label_smoothing - other  # on top of ``other``, which every word gets
    index = target.unsqueeze(1)
    logits.sub_(logits.amax(dim=1, keepdim=True))
    target_logit = logits.gather(1, index).squeeze(1)
    smooth = logits.sum(dim=1) if label_smoothing else 0.0
    total = logits.exp_().sum(dim=1)
    log_total = total.log()
    if gradient is not None:
        logits.div_(total.unsqueeze(1))
        logits.scatter_add_(1, index, logits.new_full(index.shape, -own))
        if label_smoothing:
            logits.sub_(other)
        if scale != 1.0:
            logits.mul_(scale)
        if gradient is not logits:
            gradient.copy_(logits)
    # own + V * other = 1, so the shift by the maximum cancels
    return log_total - own * target_logit - other * smooth, log_total - target_logit


def _fusible_loss(
    logits: Tensor, target: Tensor, label_smoothing: float, scale: float, gradient: Tensor | None
) -> tuple[Tensor, Tensor]:
    """:func:`_loss_` to be compiled: one reading pass for the sums and one that writes the gradient."""
    other = label_smoothing / (logits.size(1) - 1)
    own = 1.0 - label_smoothing - other
    index = target.unsqueeze(1)
    shifted = logits - logits.amax(dim=1, keepdim=True)
    target_logit = shifted.gather(1, index).squeeze(1)
    smooth = shifted.sum(dim=1) if label_smoothing else 0.0
    powers = shifted.exp()
    total = powers.sum(dim=1)
    log_total = total.log()
    if gradient is not None:
        is_target = torch.arange(logits.size(1), device=logits.device) == index
        gradient.copy_((powers / total.unsqueeze(1) - own * is_target - other) * scale)
    return log_total - own * target_logit - other * smooth, log_total - target_logit


class _FusedLoss:
    """:func:`_fusible_loss` compiled, and :func:`_loss_` from the first time on that the compiler fails."""

    def __init__(self, backend: str = "inductor") -> None:
        self._compiled: LossOfRows | None = torch.compile(_fusible_loss, fullgraph=True, dynamic=True, backend=backend)

    def __call__(
        self, logits: Tensor, target: Tensor, label_smoothing: float, scale: float, gradient: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        if self._compiled is not None:
            try:
                return self._compiled(logits, target, label_smoothing, scale, gradient)
            except torch._dynamo.exc.TorchDynamoException as error:  # nothing has been computed yet
                reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
                logger.warning(f"the loss is not compiled, which makes it slower but not different: {reason}")
                self._compiled = None
        return _loss_(logits, target, label_smoothing, scale, gradient)


@cache
def fused_loss() -> LossOfRows:
    """The compiled loss, one for the process; compiled when it is first called."""
    return _FusedLoss()


class _LinearCrossEntropy(torch.autograd.Function):
    """Gradients are computed in the forward pass, because the logits are at hand there and nowhere else."""

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        weight: Tensor,
        target: Tensor,
        label_smoothing: float,
        chunk_rows: int,
        loss_of_rows: LossOfRows,
        wants_features: bool,
        wants_weight: bool,
    ) -> tuple[Tensor, Tensor, Tensor]:
        left, matrix = operands(features, weight)
        with torch.autocast(features.device.type, enabled=False):
            exact = torch.promote_types(left.dtype, torch.float32)
            scale = _FP16_SCALE if left.dtype == torch.float16 else 1.0
            row_loss, row_nll = torch.empty(2, len(left), dtype=exact, device=left.device).unbind()
            grad_features = torch.empty_like(left, dtype=exact) if wants_features else None
            grad_weight = torch.zeros_like(matrix, dtype=exact) if wants_weight else None
            # One buffer for all chunks: on a CPU, fresh memory costs a fifth of the matrix product's time.
            size = min(chunk_rows, len(left))
            buffer = aligned_rows(size, len(matrix), exact, left.device)
            # What the gradient of the logits is rounded to for the products; in float32 it stays where it is.
            half = gradient_dtype(features, left.dtype)
            rounded = buffer if half == exact else aligned_rows(size, len(matrix), half, left.device)
            half_left, half_matrix = features.detach().to(half), weight.detach().to(half)
            for start in range(0, len(left), chunk_rows):
                rows = slice(start, start + chunk_rows)
                logits = matmul(left[rows], matrix.t(), out=buffer[: len(left[rows])])
                grad_logits = logits if rounded is buffer else rounded[: len(logits)]
                wanted = grad_logits if wants_features or wants_weight else None
                row_loss[rows], row_nll[rows] = loss_of_rows(logits, target[rows], label_smoothing, scale, wanted)
                if grad_features is not None:
                    matmul(grad_logits, half_matrix, out=grad_features[rows])
                if grad_weight is not None:
                    _add_product_(grad_weight, grad_logits.t(), half_left[rows])
        ctx.grads = (grad_features, grad_weight)
        ctx.scale = scale
        ctx.dtypes = (features.dtype, weight.dtype)
        ctx.mark_non_differentiable(row_loss, row_nll)
        return row_loss.sum(), row_loss, row_nll

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        if ctx.grads is None:
            raise RuntimeError("linear_cross_entropy can be differentiated once: it scales its gradients in place")
        (grad_features, grad_weight), ctx.grads = ctx.grads, None
        factor = grad_loss / ctx.scale  # the loss scale of fp16 training is in here
        needed = ctx.needs_input_grad
        return (
            grad_features.mul_(factor).to(ctx.dtypes[0]) if needed[0] else None,
            grad_weight.mul_(factor).to(ctx.dtypes[1]) if needed[1] else None,
            *[None] * 6,
        )
