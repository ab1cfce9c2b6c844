"""The methods: pure functions on the tensors of one parameter, and one table of them.

Sources: weighted average (Choshen et al. 2022, Wortsman et al. 2022), task arithmetic (Ilharco et al. 2023), TIES
(Yadav et al. 2023), TIES-SV (Tao et al. 2024, section 6.2), DARE (Yu et al. 2024). All tensors here are float32 and of
one shape. A *task vector* is a model minus its base, multiplied by the weight of the model.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import torch
from torch import Tensor


class Sparsify(Enum):
    """What becomes of a task vector before it is merged."""

    NOTHING = "nothing"
    TRIM = "trim"  # keep the largest magnitudes (TIES)
    DROP = "drop"  # keep a random share and rescale it (DARE)


@dataclass(frozen=True)
class Method:
    """One way to merge.

    Attributes:
        title: for people.
        needs_base: merges task vectors; otherwise the models themselves.
        sparsify: what is done to each task vector first.
        elects: a sign is elected for each parameter, and only values of that sign are merged.
        slack: the first model keeps some of the parameters that it would lose at the election.
        normalize: divide by the sum of the weights, unless the user decides otherwise (MergeKit's defaults).
    """

    title: str
    needs_base: bool = True
    sparsify: Sparsify = Sparsify.NOTHING
    elects: bool = False
    slack: bool = False
    normalize: bool = False


METHODS = {
    "average": Method("weighted average", needs_base=False, normalize=True),
    "task-arithmetic": Method("task arithmetic"),
    "ties": Method("TIES", sparsify=Sparsify.TRIM, elects=True, normalize=True),
    "ties-sv": Method("TIES with a slack variable", sparsify=Sparsify.TRIM, elects=True, slack=True, normalize=True),
    "dare": Method("DARE, then task arithmetic", sparsify=Sparsify.DROP),
    "dare-ties": Method("DARE, then the election of TIES", sparsify=Sparsify.DROP, elects=True),
}


def weighted_average(models: Sequence[Tensor], weights: Sequence[float], normalize: bool) -> Tensor:
    """sum_i w_i theta_i, divided by sum_i w_i with ``normalize``."""
    total = torch.zeros_like(models[0])
    for model, weight in zip(models, weights, strict=True):
        total.add_(model, alpha=weight)
    return total.div_(sum(weights)) if normalize else total


def draw(vector: Tensor, density: float, generator: torch.Generator) -> Tensor:
    """DARE's choice: each value with probability ``density``; bool. What is left is divided by ``density``."""
    return torch.rand(vector.shape, generator=generator) < density


def add_up(vectors: Sequence[Tensor], weights: Sequence[float], normalize: bool) -> Tensor:
    """Task arithmetic: the sum of weighted task vectors, divided by the sum of their weights with ``normalize``."""
    total = torch.zeros_like(vectors[0])
    for vector in vectors:
        total.add_(vector)
    return total.div_(sum(weights)) if normalize else total


def elect(vectors: Sequence[Tensor]) -> Tensor:
    """The sign with the larger total magnitude: bool, True where the sum is >= 0 (Tao et al. 2024, section 3.1)."""
    return sum(vectors) >= 0  # type: ignore[return-value]


def agrees(vector: Tensor, positive: Tensor) -> Tensor:
    """Where a task vector has the elected sign; bool. A zero, such as a trimmed value, has none."""
    return (vector != 0) & ((vector > 0) == positive)


def lost(vector: Tensor, positive: Tensor) -> Tensor:
    """Where a task vector has the other sign, so that its value is discarded; bool."""
    return (vector != 0) & ((vector > 0) != positive)


def in_conflict(vectors: Sequence[Tensor]) -> Tensor:
    """Where task vectors have contrary signs; bool."""
    above = torch.zeros_like(vectors[0], dtype=torch.bool)
    below = torch.zeros_like(above)
    for vector in vectors:
        above |= vector > 0
        below |= vector < 0
    return above & below


def disjoint_merge(vectors: Sequence[Tensor], weights: Sequence[float], positive: Tensor, normalize: bool) -> Tensor:
    """The sum of the weighted values that have the elected sign, divided by the sum of their weights if asked for."""
    total, divisor = torch.zeros_like(vectors[0]), torch.zeros_like(vectors[0])
    for vector, weight in zip(vectors, weights, strict=True):
        mask = agrees(vector, positive)
        total.add_(vector * mask)
        divisor.add_(mask, alpha=weight)
    return total.div_(divisor.masked_fill_(divisor == 0, 1)) if normalize else total
