"""The masked language model head in an encoder's file; continued training can start from it."""

import torch
from torch import Tensor

HEAD_REASON = "masked language model head"  # why its tensors are left out of an encoder
HEAD = ("dense.weight", "dense.bias", "layer_norm.weight", "layer_norm.bias", "bias")  # of RobertaLMHead


def head_of(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The masked language model head of a file, without the ``prefix`` of its names; {} unless it is complete."""
    head = {name: tensors[prefix + name].to(torch.float32) for name in HEAD if prefix + name in tensors}
    return head if len(head) == len(HEAD) else {}
