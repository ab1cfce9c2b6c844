"""Cross entropy of ``features @ weight.T`` without keeping the logits.

With a vocabulary of 135,364 the logits of 75 x 256 tokens are 2.6 billion numbers. Here they exist for a chunk of
rows at a time. The loss is a sum, so its gradient with respect to the logits of a row is known as soon as the row
is (softmax minus the smoothed target); it is turned into the gradients of the features and of the weight at once,
and the backward pass only scales them. The logits are therefore computed once, not twice.

torch's own ``linear_cross_entropy`` (2.13) works in the same way. It is used where it gives what is asked for: sums,
no label smoothing, float32 (in half precision it rounds the loss and adds up the weight's gradient in that precision).
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

# Gradients of the logits are multiplied by this before they are rounded to fp16, and divided by it after the matrix
# product: with 100,000 words a probability is around 1e-5, where fp16 has few digits left. Their size is at most 1.
_FP16_SCALE = 4096.0


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


def torch_applies(features: Tensor, label_smoothing: float, per_row: bool) -> bool:
    """Whether ``F.linear_cross_entropy`` does all that is asked for, as fast and as exactly."""
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
    chunk_rows: int = 512,
    per_row: bool = True,
) -> CrossEntropy:
    """Sum of the label-smoothed cross entropies of ``features @ weight.T``.

    The formula is that of fairseq's ``label_smoothed_cross_entropy``: with V words and smoothing e, the target word
    has the weight 1 - e and each other word e / (V - 1).

    Args:
        features: [N, C] floating point, the rows that count (padding is left out by the caller).
        weight: [V, C], the output matrix.
        target: int64 [N].
        label_smoothing: e, in [0, 1).
        chunk_rows: rows whose logits exist at one time.
        per_row: whether the terms of each row are wanted.

    Half-precision inputs are multiplied in their own precision and summed in float32. Inside ``torch.autocast`` the
    products on CUDA run in the autocast dtype; the gradient of ``weight`` is accumulated in float32 all the same.
    """
    if torch_applies(features, label_smoothing, per_row):
        options = torch.nn.LinearCrossEntropyOptions(batch_chunk_size=chunk_rows, acc_policy="compact")
        loss = F.linear_cross_entropy(features, weight, target, reduction="sum", options=options)
        return CrossEntropy(loss, loss.detach().clone(), None, None)
    wanted = [torch.is_grad_enabled() and tensor.requires_grad for tensor in (features, weight)]
    loss, *rows = _LinearCrossEntropy.apply(features, weight, target, label_smoothing, chunk_rows, *wanted)
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


def matmul(left: Tensor, right: Tensor, out: Tensor | None = None) -> Tensor:
    """``left @ right`` with a result in float32 (or float64), also for half-precision operands (on CUDA)."""
    if left.dtype not in (torch.float16, torch.bfloat16):
        return torch.mm(left, right, out=out)
    return torch.mm(left, right, out_dtype=torch.float32, out=out)


def _add_product_(total: Tensor, left: Tensor, right: Tensor) -> None:
    """Add ``left @ right`` to ``total``, which may be of higher precision."""
    if left.dtype == total.dtype:
        total.addmm_(left, right)
    else:
        total += matmul(left, right)


def _loss_(logits: Tensor, target: Tensor, label_smoothing: float) -> tuple[Tensor, Tensor]:
    """Loss and nll of each row; ``logits`` [n, V] become the gradient of the loss, in place."""
    other = label_smoothing / (logits.size(1) - 1)
    own = 1.0 - label_smoothing - other  # on top of ``other``, which every word gets
    index = target.unsqueeze(1)
    logits.sub_(logits.amax(dim=1, keepdim=True))
    target_logit = logits.gather(1, index).squeeze(1)
    smooth = logits.sum(dim=1) if label_smoothing else 0.0
    total = logits.exp_().sum(dim=1)
    log_total = total.log()
    logits.div_(total.unsqueeze(1))
    logits.scatter_add_(1, index, logits.new_full(index.shape, -own))
    if label_smoothing:
        logits.sub_(other)
    # own + V * other = 1, so the shift by the maximum cancels
    return log_total - own * target_logit - other * smooth, log_total - target_logit


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
            buffer = torch.empty(min(chunk_rows, len(left)), len(matrix), dtype=exact, device=left.device)
            for start in range(0, len(left), chunk_rows):
                rows = slice(start, start + chunk_rows)
                logits = matmul(left[rows], matrix.t(), out=buffer[: len(left[rows])])
                row_loss[rows], row_nll[rows] = _loss_(logits, target[rows], label_smoothing)
                grad_logits = (logits.mul_(scale) if scale != 1.0 else logits).to(left.dtype)
                if grad_features is not None:
                    matmul(grad_logits, matrix, out=grad_features[rows])
                if grad_weight is not None:
                    _add_product_(grad_weight, grad_logits.t(), left[rows])
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
            None,
            None,
            None,
            None,
            None,
        )
