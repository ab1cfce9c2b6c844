"""Check that a checkpoint fits the architecture before any weight is overwritten."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from swcm_fairseq.errors import InputError


def check_tensors(model: nn.Module, state_dict: Mapping[str, object], prefix: str = "", strict: bool = True) -> None:
    """Refuse a checkpoint whose tensors differ from the model's; without ``strict``, compare only their shapes.

    Raises:
        InputError: a tensor differs; the message names it and the flags that may be wrong.
    """
    own = {prefix + name: tensor for name, tensor in model.state_dict().items()}
    fix = "give the flags that the checkpoint was trained with"
    for name, tensor in own.items():
        theirs = state_dict.get(name)
        if isinstance(theirs, Tensor) and theirs.shape != tensor.shape:
            raise InputError(
                f"{name} has the shape {list(theirs.shape)} in the checkpoint and {list(tensor.shape)} here; {fix} "
                f"({_shape_flag(name)})"
            )
    if not strict:
        return
    layers = "--arch, --encoder-layers, --normal-layer-interval, --decoder-ends-with, ..."
    for name in own:
        if name not in state_dict:
            raise InputError(f"{name} is missing from the checkpoint; {fix} ({layers})")
    for name in state_dict:
        if name.startswith(prefix) and name not in own:
            raise InputError(
                f"the tensor {name} of the checkpoint does not belong to this architecture; {fix} ({layers})"
            )


def _shape_flag(name: str) -> str:
    """The flags that may be wrong if a tensor has the wrong shape."""
    if "embed_positions" in name:
        return "--max-source-positions" if "encoder." in name else "--max-target-positions"
    return "--arch, --encoder-embed-dim, --encoder-ffn-embed-dim, ..."


def check_ties(model: nn.Module, state_dict: Mapping[str, Tensor], prefix: str = "") -> None:
    """Refuse a checkpoint with two different tensors for one parameter, because the second would overwrite the first.

    Raises:
        InputError: two tensors differ; the message names them and the flag.
    """
    first: dict[int, str] = {}
    for name, parameter in model.named_parameters(remove_duplicate=False):
        key = prefix + name
        if key not in state_dict:
            continue
        other = first.setdefault(id(parameter), key)
        if other != key and not torch.equal(state_dict[other], state_dict[key]):
            fix = _untying_flag(other, key)
            raise InputError(f"{other} and {key} differ in the checkpoint, but this architecture ties them; {fix}")


def _untying_flag(first: str, name: str) -> str:
    """The fix for tensors with these names that are wrongly tied."""
    if ".layers." in name and "decoder.layers." in first:
        return "remove --tie-duplicates"
    if name.endswith("output_projection.weight"):
        return "add --output-matrix own"
    if name.endswith("embed_tokens.weight"):
        return "add --separate-embeddings"
    return "remove " + ("--tie-self-attention" if ".self_attn." in name else "--tie-ffn")
