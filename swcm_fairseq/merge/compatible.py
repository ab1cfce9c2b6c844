"""Which models can be merged: those with the same tensors, vocabulary, languages and architecture."""

from collections.abc import Sequence

import torch
from torch import Tensor

from swcm_fairseq.errors import InputError
from swcm_fairseq.merge.merge_sources import Source

EXACT_SUFFIX = "_extra_state"  # settings inside a state dict, such as the epsilon of layer norms


def check_compatible(models: Sequence[Source], base: Source | None) -> None:
    """Compare the first model with all other models and with the base.

    Raises:
        InputError: two models are incompatible; the message names both and the difference.
    """
    first = models[0]
    if not first.tensors:
        raise InputError(f"{first.path}: contains no tensors")
    for other in models[1:]:
        _compare(first, other, f"{first.path} and {other.path} cannot be merged")
    if base is not None:
        _compare(base, first, f"--base {base.path} is not an ancestor of {first.path}")


def is_merged(name: str, tensor: Tensor) -> bool:
    """Whether a tensor contains weights; other tensors (counters, id buffers, settings) must be equal in all models."""
    return tensor.is_floating_point() and not name.endswith(EXACT_SUFFIX)


def _compare(one: Source, other: Source, refusal: str) -> None:
    """Raise :class:`InputError` for the first difference; languages and vocabulary first, as they explain the most."""
    for what, ours, theirs in (
        ("languages", one.langs, other.langs),
        ("vocabulary", one.symbols, other.symbols),
    ):
        if ours is not None and theirs is not None and list(ours) != list(theirs):
            raise InputError(f"{refusal}: {what}: {_difference(ours, theirs)}")
    for name in sorted(one.options.keys() & other.options.keys()):
        if one.options[name] != other.options[name]:
            raise InputError(f"{refusal}: {name} is {one.options[name]} and {other.options[name]}")
    for here, there in ((one, other), (other, one)):
        for name in [*here.tensors, *here.others]:
            if name not in there.tensors and name not in there.others:
                raise InputError(f"{refusal}: {here.path} has the tensor {name}, {there.path} does not")
    for name in one.tensors:
        _compare_tensor(name, one.tensors[name], other.tensors.get(name), refusal)
    for name in one.others:
        if one.others[name] != other.others.get(name):
            raise InputError(f"{refusal}: {name} is {one.others[name]!r} and {other.others.get(name)!r}")


def _compare_tensor(name: str, ours: Tensor, theirs: Tensor | None, refusal: str) -> None:
    if theirs is None or ours.is_floating_point() != theirs.is_floating_point():
        raise InputError(f"{refusal}: {name} has different types")
    if ours.shape != theirs.shape:
        raise InputError(f"{refusal}: {name} has the shapes {list(ours.shape)} and {list(theirs.shape)}")
    if not is_merged(name, ours) and not torch.equal(ours, theirs):
        values = f" ({ours.item():g} and {theirs.item():g})" if ours.numel() == 1 else ""
        raise InputError(f"{refusal}: {name} differs{values}, but it is not a weight and cannot be merged")


def _difference(ours: Sequence[object], theirs: Sequence[object]) -> str:
    """How two lists differ: both in full if they are short; otherwise, their lengths and the first difference."""
    if len(ours) + len(theirs) < 40:
        return f"{','.join(map(str, ours))} and {','.join(map(str, theirs))}"
    place = next((i for i, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
    where = "" if place is None else f"; symbol {place} is {ours[place]!r} and {theirs[place]!r}"
    return f"{len(ours):,} and {len(theirs):,} symbols{where}"


def tied(sources: Sequence[Source]) -> dict[str, str]:
    """Each tensor to merge -> the first one that equals it in every model (possibly itself).

    Tied parameters have several names in a state dict. They are counted and merged only once, so that they stay equal
    even with random methods.
    """
    first = sources[0]
    by_look: dict[tuple, list[str]] = {}
    owner = {}
    for name, tensor in first.tensors.items():
        if not is_merged(name, tensor):
            continue
        look = (tensor.shape, tensor.dtype, tuple(tensor.reshape(-1)[:8].tolist()))
        candidates = by_look.setdefault(look, [])
        owner[name] = next((each for each in candidates if _equal_everywhere(sources, each, name)), name)
        if owner[name] == name:
            candidates.append(name)
    return owner


def _equal_everywhere(sources: Sequence[Source], one: str, other: str) -> bool:
    return all(torch.equal(source.tensors[one], source.tensors[other]) for source in sources)
