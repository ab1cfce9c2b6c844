"""Count, on a CPU, the operations that would make a program wait for a GPU."""

from collections import Counter

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

aten = torch.ops.aten
# Operators whose result or result shape is needed on the CPU.
WAITING = {
    aten._local_scalar_dense,  # item(), bool(), int(), float()
    aten.equal,
    aten.allclose,
    aten.nonzero,
    aten.masked_select,
    aten.bincount,
    aten.multinomial,
    aten._unique2,
    aten.unique_dim,
    aten.unique_consecutive,
    aten.repeat_interleave,
}
INDEXING = {aten.index, aten.index_put, aten.index_put_, aten._index_put_impl_}
# Methods that do not reach the dispatcher on a CPU. new_tensor copies Python numbers immediately.
METHODS = {torch.Tensor.tolist, torch.Tensor.cpu, torch.Tensor.new_tensor}


class _Operators(TorchDispatchMode):
    def __init__(self, counts):
        super().__init__()
        self.counts = counts

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        packet = func.overloadpacket
        if packet in WAITING or (packet in INDEXING and self._by_mask(packet, args)):
            self.counts[str(packet)] += 1
        return func(*args, **(kwargs or {}))

    @staticmethod
    def _by_mask(packet, args):
        masked = any(each is not None and each.dtype in (torch.bool, torch.uint8) for each in args[1])
        filling = packet is not aten.index and args[2].numel() == 1  # becomes masked_fill, which does not wait
        return masked and not filling


class Waits(TorchFunctionMode):
    """``with Waits() as waits``: ``waits.counts`` names what waited, and how often; ``waits.total`` is their sum."""

    def __init__(self):
        super().__init__()
        self.counts: Counter[str] = Counter()
        self._operators = _Operators(self.counts)

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if func in METHODS:
            self.counts[func.__name__] += 1
        return func(*args, **(kwargs or {}))

    def __enter__(self):
        self._operators.__enter__()
        return super().__enter__()

    def __exit__(self, *error):
        super().__exit__(*error)
        self._operators.__exit__(*error)

    @property
    def total(self) -> int:
        return sum(self.counts.values())
