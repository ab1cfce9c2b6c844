"""The arithmetic of the methods, as pure functions on the tensors of one parameter.

Sources: weighted average (Choshen et al. 2022, Wortsman et al. 2022), task arithmetic (Ilharco et al. 2023), TIES
(Yadav et al. 2023), TIES-SV (Tao et al. 2024, section 6.2), DARE (Yu et al. 2024). All tensors here are float32 and
have the same shape. A *task vector* is a model minus its base, multiplied by the weight of the model.
"""

from collections.abc import Sequence

import torch
from torch import Tensor


def weighted_average(models: Sequence[Tensor], weights: Sequence[float], normalize: bool) -> Tensor:
    """sum_i w_i theta_i; with ``normalize``, divided by sum_i w_i."""
    total = torch.zeros_like(models[0])
    for model, weight in zip(models, weights, strict=True):
        total.add_(model, alpha=weight)
    return total.div_(sum(weights)) if normalize else total


def draw(vector: Tensor, density: float, generator: torch.Generator) -> Tensor:
    """DARE's mask: keeps each value with probability ``density``; bool. The caller divides kept values by it."""
    return torch.rand(vector.shape, generator=generator) < density


def add_up(vectors: Sequence[Tensor], weights: Sequence[float], normalize: bool) -> Tensor:
    """Task arithmetic: the sum of weighted task vectors; with ``normalize``, divided by the sum of their weights."""
    total = torch.zeros_like(vectors[0])
    for vector in vectors:
        total.add_(vector)
    return total.div_(sum(weights)) if normalize else total


def elect(vectors: Sequence[Tensor]) -> Tensor:
    """The sign with the larger total magnitude: bool, True where the sum is >= 0 (Tao et al. 2024, section 3.1)."""
    return sum(vectors) >= 0  # type: ignore[return-value]


def agrees(vector: Tensor, positive: Tensor) -> Tensor:
    """Where a task vector has the elected sign; bool. Zeros, such as trimmed values, have no sign."""
    return (vector != 0) & ((vector > 0) == positive)


def lost(vector: Tensor, positive: Tensor) -> Tensor:
    """Where a task vector has the opposite sign, so that its value is discarded; bool."""
    return (vector != 0) & ((vector > 0) != positive)


def in_conflict(vectors: Sequence[Tensor]) -> Tensor:
    """Where task vectors have opposite signs; bool."""
    above = torch.zeros_like(vectors[0], dtype=torch.bool)
    below = torch.zeros_like(above)
    for vector in vectors:
        above |= vector > 0
        below |= vector < 0
    return above & below


def disjoint_merge(vectors: Sequence[Tensor], weights: Sequence[float], positive: Tensor, normalize: bool) -> Tensor:
    """The sum of weighted values with the elected sign; with ``normalize``, divided by the sum of their weights."""
    total, divisor = torch.zeros_like(vectors[0]), torch.zeros_like(vectors[0])
    for vector, weight in zip(vectors, weights, strict=True):
        mask = agrees(vector, positive)
        total.add_(vector * mask)
        divisor.add_(mask, alpha=weight)
    return total.div_(divisor.masked_fill_(divisor == 0, 1)) if normalize else total
