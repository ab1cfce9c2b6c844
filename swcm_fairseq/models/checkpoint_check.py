"""Does a checkpoint fit the architecture? Checked before any weight is overwritten."""

from typing import Any

import torch
from torch import nn

from swcm_fairseq.errors import InputError


def check_ties(model: nn.Module, state_dict: dict[str, Any], prefix: str = "") -> None:
    """Refuse a checkpoint with two different tensors for one parameter: the second would overwrite the first.

    Raises:
        InputError: names both tensors and the flag.
    """
    first: dict[int, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        key = prefix + name
        if key not in state_dict:
            continue
        other = first.setdefault(id(parameter), key)
        if other != key and not torch.equal(state_dict[other], state_dict[key]):
            raise InputError(
                f"{other} and {key} differ in the checkpoint, but this architecture ties them; {_untying_flag(key)}"
            )


def _untying_flag(name: str) -> str:
    """The mend, by the second name of a tied parameter."""
    if name.endswith("output_projection.weight"):
        return "add --output-matrix own"
    if name.endswith("embed_tokens.weight"):
        return "add --separate-embeddings"
    return "leave out " + ("--tie-self-attention" if ".self_attn." in name else "--tie-ffn")
