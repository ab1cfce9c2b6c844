"""Sums of a criterion's logging outputs, copied from the GPU in one transfer."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

Number = int | float | Tensor  # a tensor has one element
Log = dict[str, Number]  # the logging output for one batch


def summed(logging_outputs: Sequence[Mapping[str, Number]]) -> dict[str, float]:
    """The sum of each key over ``logging_outputs``, whose values are numbers or one-element tensors.

    All tensors are read together, because each read waits for the GPU.
    """
    totals: dict[str, float] = {}
    tensors: dict[tuple[torch.dtype, torch.device], list[tuple[str, Tensor]]] = defaultdict(list)
    for log in logging_outputs:
        for key, value in log.items():
            if isinstance(value, Tensor):
                tensors[value.dtype, value.device].append((key, value.detach().reshape(())))
            totals[key] = totals.get(key, 0) + (0 if isinstance(value, Tensor) else value)
    stacks = [torch.stack([value for _, value in pairs]).double() for pairs in tensors.values()]
    names = [key for pairs in tensors.values() for key, _ in pairs]
    if stacks:
        device = stacks[0].device
        for key, number in zip(names, torch.cat([stack.to(device) for stack in stacks]).tolist(), strict=True):
            totals[key] += number
    return totals
