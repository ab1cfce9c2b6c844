"""Cross entropy of ``features @ weight.T`` without keeping the logits.

With a vocabulary of 135,364 the logits of 75 x 256 tokens are 2.6 billion numbers. Here they exist for a chunk of
rows at a time. The loss is a sum, so its gradient with respect to the logits of a row is known as soon as the row
is (softmax minus the smoothed target); it is turned into the gradients of the features and of the weight at once,
and the backward pass only scales them. The logits are therefore computed once, not twice.
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor

# Gradients of the logits are multiplied by this before they are rounded to fp16, and divided by it after the matrix
# product: with 100,000 words a probability is around 1e-5, where fp16 has few digits left. Their size is at most 1.
_FP16_SCALE = 4096.0


class CrossEntropy(NamedTuple):
    """What :func:`linear_cross_entropy` returns.

    Attributes:
        loss: 0-dim float32 (float64 for float64 features), the sum over rows, label smoothing included.
        nll: [N] of the same dtype, negative log-likelihood of each row, in nats, without gradient.
    """

    loss: Tensor
    nll: Tensor


def rows_per_chunk(vocabulary: int, memory: float) -> int:
    """How many rows of float32 logits fit into ``memory`` MiB; at least one."""
    return max(1, int(memory * 2**20) // (4 * vocabulary))


def linear_cross_entropy(
    features: Tensor, weight: Tensor, target: Tensor, label_smoothing: float = 0.0, chunk_rows: int = 512
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

    Half-precision inputs are multiplied in their own precision and summed in float32. Inside ``torch.autocast`` the
    products on CUDA run in the autocast dtype; the gradient of ``weight`` is accumulated in float32 all the same.
    """
    wants_grad = torch.is_grad_enabled() and (features.requires_grad or weight.requires_grad)
    return CrossEntropy(*_LinearCrossEntropy.apply(features, weight, target, label_smoothing, chunk_rows, wants_grad))


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


def matmul(left: Tensor, right: Tensor) -> Tensor:
    """``left @ right`` with a result in float32 (or float64), also for half-precision operands."""
    if left.dtype in (torch.float16, torch.bfloat16):
        return torch.mm(left, right, out_dtype=torch.float32)
    return torch.mm(left, right)


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
        wants_grad: bool,
    ) -> tuple[Tensor, Tensor]:
        left, matrix = operands(features, weight)
        with torch.autocast(features.device.type, enabled=False):
            exact = torch.promote_types(left.dtype, torch.float32)
            scale = _FP16_SCALE if left.dtype == torch.float16 else 1.0
            loss = torch.zeros((), dtype=exact, device=left.device)
            nll = torch.empty(len(left), dtype=exact, device=left.device)
            grad_features = torch.empty_like(left, dtype=exact) if wants_grad else None
            grad_weight = torch.zeros_like(matrix, dtype=exact) if wants_grad else None
            for start in range(0, len(left), chunk_rows):
                rows = slice(start, start + chunk_rows)
                logits = matmul(left[rows], matrix.t())
                losses, nll[rows] = _loss_(logits, target[rows], label_smoothing)
                loss += losses.sum()
                if grad_features is None or grad_weight is None:
                    continue
                grad_logits = logits.mul_(scale).to(left.dtype) if scale != 1.0 else logits.to(left.dtype)
                grad_features[rows] = matmul(grad_logits, matrix)
                if grad_logits.dtype == exact:
                    grad_weight.addmm_(grad_logits.t(), left[rows])
                else:
                    grad_weight += matmul(grad_logits.t(), left[rows])
                del logits, grad_logits
        ctx.grads = (grad_features, grad_weight)
        ctx.scale = scale
        ctx.dtypes = (features.dtype, weight.dtype)
        ctx.mark_non_differentiable(nll)
        return loss, nll

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor, _grad_nll: Tensor) -> tuple[Tensor | None, ...]:
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
        )
