"""Linear layers in int8 on a CPU: weights are rounded and packed once, inputs are rounded in every call.

The product is torch's ``quantized::linear_dynamic``. torchao, its designated successor, does not pack weights unless it
is compiled: for 20 x 768 x 3,072 on one core, it takes 2.1 ms, ``linear_dynamic`` 0.3 ms and float32 2.6 ms.
"""

import warnings

import torch
from torch import Tensor, nn

_LARGEST = 127  # the largest int8 weight


class Int8Linear(nn.Module):
    """``nn.Linear`` in int8, with one scale per row of the weight and one per input.

    Attributes:
        weight: the float32 weight [out, in] if it is kept, so that :class:`RestrictedProjection` can select rows.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None, keep: bool = False):
        """Pack ``weight`` float32 [out, in] and ``bias`` [out]; with ``keep``, also keep the weight in float32."""
        super().__init__()
        self.weight = weight if keep else None
        self.out_features, self.in_features = weight.shape
        self._packed = _pack(weight.detach(), None if bias is None else bias.detach())
        # Without VNNI, the sum of two 8-bit products does not fit into 16 bits, so inputs get 7 bits.
        self._seven_bits = not torch.cpu._is_vnni_supported()

    def forward(self, x: Tensor) -> Tensor:
        """float32 [..., in] -> float32 [..., out]."""
        return torch.ops.quantized.linear_dynamic(x, self._packed, self._seven_bits)


def _pack(weight: Tensor, bias: Tensor | None) -> torch.ScriptObject:
    """The packed weight for ``quantized::linear_dynamic``."""
    scales = weight.abs().amax(dim=1).clamp(min=torch.finfo(torch.float32).tiny) / _LARGEST
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch plans to replace these tensors with torchao
        zeros = torch.zeros(len(scales), dtype=torch.long)
        rounded = torch.quantize_per_channel(weight, scales.double(), zeros, 0, torch.qint8)
        return torch.ops.quantized.linear_prepack(rounded, bias)
