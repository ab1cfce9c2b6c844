"""The masked language model head of an encoder, from which continued training can start."""

import torch
from torch import Tensor

HEAD_REASON = "masked language model head"  # the reason for leaving its tensors out of an encoder
HEAD = ("dense.weight", "dense.bias", "layer_norm.weight", "layer_norm.bias", "bias")  # names in RobertaLMHead


def head_of(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The masked language model head among ``tensors``, under names without ``prefix``; {} unless it is complete."""
    head = {name: tensors[prefix + name].to(torch.float32) for name in HEAD if prefix + name in tensors}
    return head if len(head) == len(HEAD) else {}
