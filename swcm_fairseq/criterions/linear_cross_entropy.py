"""Cross entropy of ``features @ weight.T`` without keeping the logits.

With a vocabulary of 135,364, the logits of 75 x 256 tokens are 2.6 billion numbers. Here they exist for only one chunk
of rows at a time. The loss is a sum, so the gradient of a row's logits (softmax minus the smoothed target) is known as
soon as the row is computed. It is converted immediately into gradients of the features and the weight, and the backward
pass only scales them. The logits are therefore computed once, not twice.

``linear_cross_entropy`` in torch (2.13) works the same way. It is used if it suffices: for sums in float32 without
label smoothing (in half precision, it rounds the loss and accumulates the weight's gradient in that precision).

On CUDA, ``torch.compile`` fuses the passes over the logits of a chunk if a compiler is available.
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
# product: with 100,000 words, probabilities are around 1e-5, where fp16 is imprecise. Gradients are at most 1.
_FP16_SCALE = 4096.0
# Rows of logits are padded to a multiple of this many elements, so that every row of a half-precision product is
# aligned to at least 16 bytes for any vocabulary size (135,364 is not a multiple of 8).
ALIGNMENT = 64
CPU_MEMORY = 256.0  # MiB of float32 logits: the default size of a chunk on a CPU
# On CUDA, chunks are few and large, because each reads and writes the whole gradient of the weight (416 MB for
# 135,364 x 768).
CUDA_ROWS = 3072
# Whether torch.addmm can multiply in half precision and accumulate in float32 (CUDA only).
_ADDMM_WIDENS = "dtype_out" in torch.ops.aten.addmm.overloads()

LossOfRows = Callable[[Tensor, Tensor, float, float, Tensor | None], tuple[Tensor, Tensor]]  # see _loss_


class CrossEntropy(NamedTuple):
    """The result of :func:`linear_cross_entropy`.

    Attributes:
        loss: 0-dim float32 (float64 for float64 features), the sum over rows, label smoothing included.
        nll: 0-dim, same dtype, the sum of negative log-likelihoods in nats, without gradient.
        row_loss: [N], the terms of ``loss``, without gradient; None if not requested.
        row_nll: [N], the terms of ``nll``; None if not requested.
    """

    loss: Tensor
    nll: Tensor
    row_loss: Tensor | None
    row_nll: Tensor | None


def rows_per_chunk(vocabulary: int, memory: float) -> int:
    """The number of rows of float32 logits that fit into ``memory`` MiB; at least one."""
    return max(1, int(memory * 2**20) // (4 * vocabulary))


def default_chunk_rows(vocabulary: int, device: torch.device) -> int:
    """The default number of rows per chunk for an output matrix with ``vocabulary`` rows on ``device``."""
    return CUDA_ROWS if device.type == "cuda" else rows_per_chunk(vocabulary, CPU_MEMORY)


def aligned_rows(rows: int, width: int, dtype: torch.dtype, device: torch.device) -> Tensor:
    """Uninitialized memory [rows, width] with a row stride that is a multiple of :data:`ALIGNMENT` elements."""
    padded = -(-width // ALIGNMENT) * ALIGNMENT
    return torch.empty(rows, padded, dtype=dtype, device=device)[:, :width]


def torch_applies(features: Tensor, label_smoothing: float, per_row: bool) -> bool:
    """Whether ``F.linear_cross_entropy`` supports this case without loss of speed or precision."""
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

    Half-precision inputs are multiplied in half precision and summed in float32. Inside ``torch.autocast``, products on
    CUDA run in the autocast dtype, but the gradient of ``weight`` is still accumulated in float32.

    Args:
        features: [N, C] floating point, the rows in the loss (the caller removes padding).
        weight: [V, C], the output matrix.
        target: int64 [N].
        label_smoothing: e, in [0, 1).
        chunk_rows: number of rows whose logits exist at a time; the default is :func:`default_chunk_rows`.
        per_row: whether to return the terms of each row.
        fused: whether to compile the passes over the logits; the default is to do so on CUDA if there is a compiler.

    Raises:
        InputError: ``chunk_rows`` is less than 1.
    """
    if chunk_rows is None:
        chunk_rows = default_chunk_rows(weight.size(0), weight.device)
    if chunk_rows < 1:
        raise InputError(f"chunk_rows={chunk_rows}: give 1 or more")
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
    """``features`` and ``weight``, converted to the dtype in which they are multiplied."""
    kind = features.device.type
    if kind != "cuda":  # elsewhere, half precision is less precise but not faster
        dtype = torch.promote_types(features.dtype, torch.float32)
    elif torch.is_autocast_enabled(kind):
        dtype = torch.get_autocast_dtype(kind)
    else:
        dtype = features.dtype
    return features.detach().to(dtype), weight.detach().to(dtype)


def gradient_dtype(features: Tensor, multiplied: torch.dtype) -> torch.dtype:
    """The dtype to which the gradient of the logits is rounded before it is multiplied.

    It is ``multiplied``, the dtype of the product that gives the logits, with one exception: on a CPU with bfloat16
    arithmetic, bfloat16 halves the time of the two products of the gradient. The resulting gradients of bfloat16
    features and weights are rounded to bfloat16 anyway, and the logits themselves stay exact.
    """
    if features.device.type == "cpu" and features.dtype == torch.bfloat16 and torch.cpu._is_avx512_bf16_supported():
        return torch.bfloat16
    return multiplied


def matmul(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """``left @ right`` in float32 (or float64), even for half-precision operands.

    The product of half-precision operands is not rounded to half precision on CUDA. On a CPU it is, because torch has
    no mixed-precision product there.
    """
    if left.dtype not in (torch.float16, torch.bfloat16):
        return torch.mm(left, right, out=out)
    if left.is_cuda:
        return torch.mm(left, right, out_dtype=torch.float32, out=out)
    product = torch.mm(left, right)
    return product.float() if out is None else out.copy_(product)


def _add_product_(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add ``left @ right`` to ``total``, which may have a higher precision."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    elif total.is_cuda and _ADDMM_WIDENS:
        torch.addmm(total, left, right, out_dtype=total.dtype, out=total)
    else:
        total += matmul(left, right)


def _loss_(
    logits: Tensor, target: Tensor, label_smoothing: float, scale: float, gradient: Tensor | None
) -> tuple[Tensor, Tensor]:
    """Loss and nll, [n] each, of the rows of ``logits`` [n, V], which are overwritten.

    ``gradient`` [n, V], if not None, receives the gradient of the loss times ``scale``; it may be ``logits`` itself.
    """
    other = label_smoothing / (logits.size(1) - 1)
    own = 1.0 - label_smoothing - other  # in addition to ``other``, which every word gets
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
    """:func:`_loss_` in a form that compiles to two passes: one for the sums and one that writes the gradient."""
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
    """:func:`_fusible_loss`, compiled; replaced by :func:`_loss_` if the compiler fails."""

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
                logger.warning(f"the loss is not compiled, so it is slower, but its value is the same: {reason}")
                self._compiled = None
        return _loss_(logits, target, label_smoothing, scale, gradient)


@cache
def fused_loss() -> LossOfRows:
    """The compiled loss, one per process; it is compiled on the first call."""
    return _FusedLoss()


class _LinearCrossEntropy(torch.autograd.Function):
    """Computes gradients in the forward pass, because the logits are not available later."""

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
            # Reuse one buffer for all chunks: on a CPU, allocating memory takes a fifth of the matrix product's time.
            size = min(chunk_rows, len(left))
            buffer = aligned_rows(size, len(matrix), exact, left.device)
            # The gradient of the logits, rounded for its products; in float32 it stays in the same buffer.
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
            raise RuntimeError("linear_cross_entropy can be differentiated only once: gradients are scaled in place")
        (grad_features, grad_weight), ctx.grads = ctx.grads, None
        factor = grad_loss / ctx.scale  # grad_loss includes the loss scale of fp16 training
        needed = ctx.needs_input_grad
        return (
            grad_features.mul_(factor).to(ctx.dtypes[0]) if needed[0] else None,
            grad_weight.mul_(factor).to(ctx.dtypes[1]) if needed[1] else None,
            *[None] * 6,
        )
