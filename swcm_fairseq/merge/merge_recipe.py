"""The recipe of a merge: method, weights, densities, lambda."""

import math
from dataclasses import dataclass
from pathlib import Path

from swcm_fairseq.errors import InputError
from swcm_fairseq.merge.method_table import METHODS, Method, Sparsify

DENSITY = 0.2  # used by the authors of TIES if it cannot be tuned on validation data
SLACK = 0.04  # Tao et al. 2024, section 6.2
SCOPES = ("tensor", "model")


@dataclass(frozen=True)
class Recipe:
    """How to merge; one weight and one density per model.

    Attributes:
        name: name of the method.
        weights: weights of the models.
        densities: share of each task vector to keep, 0 < k <= 1.
        scale: lambda, the factor of the merged task vector.
        normalize: whether to divide by the sum of the weights.
        slack: share of the parameters lost in the election that the first model keeps.
        scope: whether densities and slack apply to each tensor, as in MergeKit, or to the whole model.
        seed: random seed of DARE.
    """

    name: str
    weights: tuple[float, ...]
    densities: tuple[float, ...]
    scale: float = 1.0
    normalize: bool = True
    slack: float = SLACK
    scope: str = SCOPES[0]
    seed: int = 1

    @property
    def method(self) -> Method:
        """The method."""
        return METHODS[self.name]

    def describe(self, model: int) -> str:
        """Weight of a model, and its density if the method uses densities."""
        density = "" if self.method.sparsify is Sparsify.NOTHING else f", density {self.densities[model]:g}"
        return f"weight {self.weights[model]:g}{density}"


def make_recipe(
    name: str,
    models: int,
    *,
    base: Path | None,
    weights: list[float] | None = None,
    densities: list[float] | None = None,
    scale: float | None = None,
    normalize: bool | None = None,
    slack: float | None = None,
    scope: str = SCOPES[0],
    seed: int = 1,
) -> Recipe:
    """Fill in the defaults and refuse combinations that make no sense.

    Raises:
        InputError: an option is missing, has no effect, or has an invalid value.
    """
    method = METHODS[name]
    if models < 2:
        raise InputError("give at least two models to merge")
    if method.needs_base and base is None:
        raise InputError(f"--base is missing: {name} merges what the models learned after their common base")
    _refuse_unused(name, method, base, densities, scale, slack)
    recipe = Recipe(
        name,
        weights=_one_each("--weights", weights, models, 1.0),
        densities=_one_each("--densities", densities, models, DENSITY),
        scale=1.0 if scale is None else scale,
        normalize=method.normalize if normalize is None else normalize,
        slack=SLACK if slack is None else slack,
        scope=scope,
        seed=seed,
    )
    _check_ranges(recipe)
    return recipe


def _refuse_unused(
    name: str,
    method: Method,
    base: Path | None,
    densities: list[float] | None,
    scale: float | None,
    slack: float | None,
) -> None:
    """Raise :class:`InputError` for an option that would have no effect."""
    unused = [
        ("--base", base is not None and not method.needs_base),
        ("--densities", densities is not None and method.sparsify is Sparsify.NOTHING),
        ("--lambda", scale is not None and not method.needs_base),
        ("--slack", slack is not None and not method.slack),
    ]
    for option, found in unused:
        if found:
            raise InputError(f"{option} has no effect with --method {name}; omit it or choose another method")


def _one_each(option: str, numbers: list[float] | None, models: int, default: float) -> tuple[float, ...]:
    """One number per model; a single number applies to all."""
    numbers = [default] if numbers is None else numbers
    if len(numbers) not in (1, models):
        raise InputError(f"{option}: {len(numbers)} numbers for {models} models; give one per model, or one for all")
    return tuple(numbers * models if len(numbers) == 1 else numbers)


def _check_ranges(recipe: Recipe) -> None:
    for number in (*recipe.weights, recipe.scale):
        if not math.isfinite(number):
            raise InputError(f"--weights and --lambda must be finite numbers, not {number}")
    for density in recipe.densities:
        if not 0 < density <= 1:
            raise InputError(f"--densities {density:g}: must be the share of a task vector to keep, 0 < k <= 1")
    if not 0 <= recipe.slack <= 1:
        raise InputError(
            f"--slack {recipe.slack:g}: must be a share, from 0 to 1, of the parameters that the first model would lose"
        )
    if recipe.normalize and sum(recipe.weights) == 0:
        raise InputError(
            "--weights add up to 0, so normalizing would divide by 0; give other weights or --no-normalize"
        )
