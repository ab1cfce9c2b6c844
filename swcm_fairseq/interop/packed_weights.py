"""Matrices with 4 bits per weight, so that a small encoder fits into a repository.

The format is Q4_0 of ggml: each row is split into blocks of 32 weights; a block has one float16 scale d and 32 codes q
of 4 bits, which represent the weights d * (q - 8). A matrix ``NAME`` of a safetensors file becomes two tensors:

* ``NAME.q4_0.codes``, uint8, [rows, columns / 2]: byte j of a block has code j in its low half and code j + 16 in its
  high half;
* ``NAME.q4_0.scales``, float16, [rows, columns / 32].

Weights that come from this format are restored bit for bit. Everything else in the file is unchanged.
"""

import torch
from torch import Tensor

from swcm_fairseq.errors import InputError

BLOCK = 32  # weights that share a scale
ZERO = 8  # the code of 0
CODES, SCALES = ".q4_0.codes", ".q4_0.scales"


def quantize(matrix: Tensor) -> tuple[Tensor, Tensor]:
    """Codes and scales of a matrix.

    Args:
        matrix: float32, [R, C], where C is a multiple of 32.

    Returns:
        Codes, uint8, [R, C / 2], and scales, float16, [R, C / 32].
    """
    blocks = matrix.unflatten(1, (-1, BLOCK))
    largest = blocks.gather(2, blocks.abs().argmax(2, keepdim=True))
    scales = (largest / -ZERO).half()  # the weight with the largest magnitude gets code 0
    steps = scales.float()
    codes = torch.where(steps == 0, float(ZERO), blocks / torch.where(steps == 0, 1.0, steps) + ZERO)
    low, high = codes.round().clamp(0, 2 * ZERO - 1).to(torch.uint8).chunk(2, dim=2)
    return (low | high << 4).flatten(1), scales.squeeze(2)


def dequantize(codes: Tensor, scales: Tensor) -> Tensor:
    """The matrix [R, C], float32; the inverse of :func:`quantize`."""
    halves = codes.unflatten(1, (-1, BLOCK // 2))
    blocks = torch.cat([halves & 15, halves >> 4], dim=2).float() - ZERO
    return (blocks * scales.float().unsqueeze(2)).flatten(1)


def pack(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A state dict with packed matrices, except position tables and matrices whose rows are not whole blocks."""
    packed: dict[str, Tensor] = {}
    for name, tensor in tensors.items():
        if tensor.dim() != 2 or tensor.size(1) % BLOCK or "position" in name:
            packed[name] = tensor
        else:
            packed[name + CODES], packed[name + SCALES] = quantize(tensor.float())
    return packed


def unpack(tensors: dict[str, Tensor], source: str) -> dict[str, Tensor]:
    """A state dict in which packed matrices are float32 again; ``source`` names the file in messages.

    Raises:
        InputError: codes or scales are missing, or their shapes do not match.
    """
    plain = {name: tensor for name, tensor in tensors.items() if not name.endswith((CODES, SCALES))}
    for name in dict.fromkeys(name.removesuffix(CODES).removesuffix(SCALES) for name in tensors.keys() - plain.keys()):
        codes, scales = tensors.get(name + CODES), tensors.get(name + SCALES)
        if codes is None or scales is None or codes.dim() != 2 or codes.size(1) != scales.size(-1) * BLOCK // 2:
            raise InputError(f"{source}: the packed matrix {name} is incomplete; copy the file again")
        plain[name] = dequantize(codes, scales)
    return plain
