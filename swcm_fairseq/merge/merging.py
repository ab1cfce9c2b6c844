"""Merge models tensor by tensor."""

import zlib
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from swcm_fairseq.merge.compatible import check_compatible, is_merged, tied
from swcm_fairseq.merge.magnitude_cuts import Cut, cuts
from swcm_fairseq.merge.merge_methods import add_up, disjoint_merge, draw, elect, lost, weighted_average
from swcm_fairseq.merge.merge_recipe import Recipe
from swcm_fairseq.merge.merge_sources import Source
from swcm_fairseq.merge.method_table import Sparsify
from swcm_fairseq.merge.shares import Shares, count


class Merge:
    """Merges models, one parameter at a time, and counts trimmed and lost values.

    At most one parameter of each model is in memory. With ``scope`` "model", values that depend on all tensors are
    computed in earlier passes.

    Args:
        models: at least two models.
        base: the model that they were trained from; None if the method needs no base.
        recipe: how to merge.

    Raises:
        InputError: the models are incompatible.
    """

    def __init__(self, models: Sequence[Source], base: Source | None, recipe: Recipe):
        check_compatible(models, base)
        self.models, self.base, self.recipe = models, base, recipe
        self.owners = tied([*models, *([] if base is None else [base])])
        self.names = [name for name, owner in self.owners.items() if name == owner]
        self.shares = [Shares() for _ in models]
        self.trims: list[dict[str, Cut]] = [{} for _ in models]
        self.slack: dict[str, Cut] = {}
        if recipe.scope == "model":
            self._look_ahead()

    @property
    def parameters(self) -> int:
        """Number of merged parameters; tied parameters count once."""
        return sum(self.models[0].tensors[name].numel() for name in self.names)

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Every tensor of the result that is not tied to an earlier one, in the first model's dtype."""
        for name, tensor in self.models[0].tensors.items():
            if not is_merged(name, tensor):
                yield name, tensor
            elif self.owners[name] == name:
                yield name, self._merged(name).to(tensor.dtype)

    def _merged(self, name: str) -> Tensor:
        """One parameter of the result, float32."""
        recipe = self.recipe
        if self.base is None:
            return weighted_average([model.read(name) for model in self.models], recipe.weights, recipe.normalize)
        vectors, kept = self._task_vectors(name)
        if recipe.method.elects:
            positive = self._elected(name, vectors)
            mixed = disjoint_merge(vectors, recipe.weights, positive, recipe.normalize)
        else:
            positive = None
            mixed = add_up(vectors, recipe.weights, recipe.normalize)
        count(self.shares, vectors, kept, positive)
        return self.base.read(name).add_(mixed.mul_(recipe.scale))

    def _change(self, model: int, name: str) -> Tensor:
        """The difference between a model and the base."""
        assert self.base is not None
        return self.models[model].read(name).sub_(self.base.read(name))

    def _task_vectors(self, name: str) -> tuple[list[Tensor], list[int]]:
        """The sparsified and weighted task vectors of one parameter, and the number of values kept in each."""
        vectors, kept = [], []
        for i, (density, weight) in enumerate(zip(self.recipe.densities, self.recipe.weights, strict=True)):
            vector = self._change(i, name)
            left = vector.numel()
            if self.recipe.method.sparsify is not Sparsify.NOTHING and density < 1 and left:
                taken = self._taken(i, name, vector)
                vector, left = vector * taken, int(taken.sum())
            if self.recipe.method.sparsify is Sparsify.DROP:
                vector /= density
            vectors.append(vector.mul_(weight))
            kept.append(left)
        return vectors, kept

    def _taken(self, model: int, name: str, vector: Tensor) -> Tensor:
        """Mask of the values of a task vector to keep; bool."""
        density = self.recipe.densities[model]
        if self.recipe.method.sparsify is Sparsify.DROP:
            return draw(vector, density, self._generator(model, name))
        magnitudes = vector.abs()
        cut = self.trims[model].get(name)
        if cut is None:
            cut = cuts([name], lambda _: magnitudes, _share(density, vector.numel()))[name]
        return cut.take(magnitudes)

    def _generator(self, model: int, name: str) -> torch.Generator:
        """A random generator that depends only on the seed, the model and the parameter."""
        return torch.Generator().manual_seed(zlib.crc32(f"{self.recipe.seed} {model} {name}".encode()))

    def _elected(self, name: str, vectors: Sequence[Tensor]) -> Tensor:
        """The elected signs; with a slack variable, the first model's where it lost most narrowly (section 6.2)."""
        positive = elect(vectors)
        if not self.recipe.method.slack:
            return positive
        losing = lost(vectors[0], positive)
        margins = _margins(vectors, losing)
        saved = torch.zeros_like(losing)
        saved[losing] = self._slack_cut(name, margins).take(margins)
        self.shares[0].slack += int(saved.sum())
        return positive ^ saved

    def _slack_cut(self, name: str, margins: Tensor) -> Cut:
        if name in self.slack:
            return self.slack[name]
        return cuts([name], lambda _: margins, round(self.recipe.slack * margins.numel()), largest=False)[name]

    def _look_ahead(self) -> None:
        """Find the values to trim over each whole model, and the parameters that the slack variable saves."""
        if self.recipe.method.sparsify is Sparsify.TRIM:
            for i, density in enumerate(self.recipe.densities):
                self.trims[i] = self._cuts_of_vector(i, _share(density, self.parameters))
        if self.recipe.method.slack:
            losses = sum(margins.numel() for margins in map(self._margins_of, self.names))
            self.slack = cuts(self.names, self._margins_of, round(self.recipe.slack * losses), largest=False)

    def _cuts_of_vector(self, model: int, number: int) -> dict[str, Cut]:
        return cuts(self.names, lambda name: self._change(model, name).abs(), number)

    def _margins_of(self, name: str) -> Tensor:
        vectors, _ = self._task_vectors(name)
        return _margins(vectors, lost(vectors[0], elect(vectors)))


def _share(density: float, size: int) -> int:
    """Number of values to keep out of ``size``: at least one, as in MergeKit."""
    return max(1, int(density * size))


def _margins(vectors: Sequence[Tensor], losing: Tensor) -> Tensor:
    """The margins by which the first model lost the election, one per lost parameter, flat.

    For two models, the margin is the difference of their magnitudes, by which the paper ranks parameters.
    """
    total: Tensor = sum(vectors)  # type: ignore[assignment]
    return total[losing].abs()
