"""Find the n largest or smallest of many magnitudes without sorting them or holding all of them in memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

LOW_BITS = 16
LOW_VALUES, HIGH_VALUES = 1 << LOW_BITS, 1 << (31 - LOW_BITS)


@dataclass(frozen=True)
class Cut:
    """Identifies the values of one tensor that are among the n largest (or smallest).

    Attributes:
        bits: bits of the last of these values.
        equal: number of these values that equal the last one; they are the first ones in the tensor.
        largest: whether to take the largest or the smallest values.
    """

    bits: int
    equal: int
    largest: bool = True

    def take(self, magnitudes: Tensor) -> Tensor:
        """The chosen values, bool, in the shape of ``magnitudes``."""
        bits = _bits(magnitudes)
        taken = bits > self.bits if self.largest else bits < self.bits
        ties = (bits == self.bits).nonzero()[: self.equal, 0]
        taken[ties] = True
        return taken.view(magnitudes.shape)


def cuts(names: Sequence[str], magnitudes: Callable[[str], Tensor], count: int, largest: bool = True) -> dict[str, Cut]:
    """Find the ``count`` largest (or smallest) values of several tensors together, exactly.

    The bits of non-negative floats have the same order as the floats, so two histograms, one of the upper and one of
    the lower half of the bits, determine the last value. Of equal values, the first ones are taken. Every tensor is
    requested three times and never kept.

    Args:
        names: names of the tensors.
        magnitudes: returns a tensor by name, float32, non-negative, any shape.
        count: number of values to find, from 0 to all.

    Returns:
        name -> the cut that takes the values of that tensor.
    """
    high_counts = sum(_histogram(_bits(magnitudes(name)) >> LOW_BITS, HIGH_VALUES) for name in names)
    high, count = _reach(torch.as_tensor(high_counts), count, largest)
    low_counts = sum(_histogram(_low_bits(_bits(magnitudes(name)), high), LOW_VALUES) for name in names)
    low, count = _reach(torch.as_tensor(low_counts), count, largest)
    last = (high << LOW_BITS) | low
    found = {}
    for name in names:
        equal = min(count, int((_bits(magnitudes(name)) == last).sum()))
        found[name] = Cut(last, equal, largest)
        count -= equal
    return found


def _bits(magnitudes: Tensor) -> Tensor:
    """The bits of the values, int32, flat; magnitudes are never -0.0."""
    return magnitudes.reshape(-1).view(torch.int32)


def _low_bits(bits: Tensor, high: int) -> Tensor:
    return bits[(bits >> LOW_BITS) == high] & (LOW_VALUES - 1)


def _histogram(values: Tensor, bins: int) -> Tensor:
    return torch.bincount(values, minlength=bins)


def _reach(counts: Tensor, count: int, largest: bool) -> tuple[int, int]:
    """The bin of the ``count``-th largest (or smallest) value, and how many values of that bin are needed."""
    order = counts.flip(0) if largest else counts
    sums = order.cumsum(0)
    place = int(torch.searchsorted(sums, count))
    needed = count - int(sums[place] - order[place])
    return (len(counts) - 1 - place if largest else place), needed
