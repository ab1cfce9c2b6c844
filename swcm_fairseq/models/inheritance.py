"""The parameters that inherited decoder layers copy from, or share with, their encoder layer."""

import torch
from torch import Tensor, nn

from swcm_fairseq.models.decoder import Decoder
from swcm_fairseq.models.encoder import Encoder
from swcm_fairseq.models.layer_plan import LayerKind
from swcm_fairseq.models.model_config import XLMSWCMConfig

# Inherited decoder layer <- encoder layer (paper section 3.1.3, Figure 3). Each norm is copied from the norm after the
# copied block; in the encoder, final_layer_norm follows the FFN.
INHERITED_FROM = {
    "self_attn": "self_attn",
    "self_attn_layer_norm": "self_attn_layer_norm",
    "fc1": "fc1",
    "fc2": "fc2",
    "ffn1_layer_norm": "final_layer_norm",
    "encoder_attn": "self_attn",
    "encoder_attn_layer_norm": "self_attn_layer_norm",
    "fc3": "fc1",
    "fc4": "fc2",
    "final_layer_norm": "final_layer_norm",
}
# The blocks that the two flags tie; cross-attention and norms are never tied.
TIED_SELF_ATTENTION = ("self_attn",)
TIED_FFN = ("fc1", "fc2", "fc3", "fc4")


def tie(encoder: Encoder, decoder: Decoder, config: XLMSWCMConfig) -> None:
    """Tie blocks of inherited layers to the encoder and duplicates to the layer before them, according to ``config``.

    All other inserted layers stay independent.
    """
    blocks = TIED_SELF_ATTENTION * config.tie_self_attention + TIED_FFN * config.tie_ffn
    for i, planned in enumerate(decoder.plan):
        if planned.kind is LayerKind.INHERITED and planned.encoder_layer is not None:
            for block in blocks:
                source = encoder.layers[planned.encoder_layer].get_submodule(INHERITED_FROM[block])
                _share(source, decoder.layers[i].get_submodule(block))
        elif planned.kind is LayerKind.DUPLICATE and config.tie_duplicates:
            _share(decoder.layers[i - 1], decoder.layers[i])


def _share(source: nn.Module, target: nn.Module) -> None:
    """Make ``target`` use the parameters of ``source``, which has the same structure."""
    for name, parameter in source.named_parameters():
        owner, _, part = name.rpartition(".")
        setattr(target.get_submodule(owner), part, parameter)


@torch.no_grad()
def inherit(encoder: Encoder, decoder: Decoder, config: XLMSWCMConfig) -> set[str]:
    """Copy the encoder's embeddings and layers into the decoder, according to its plan.

    Returns:
        Names of the decoder parameters that were copied, without tied ones.
    """
    length = decoder.embed_positions.weight.size(0)
    pairs: list[tuple[str, Tensor, Tensor]] = [
        ("embed_tokens.weight", decoder.embed_tokens.weight, encoder.embed_tokens.weight),
        ("output_projection.weight", decoder.output_projection.weight, encoder.embed_tokens.weight),
        ("embed_positions.weight", decoder.embed_positions.weight, encoder.embed_positions.weight[:length]),
        *_pairs("layernorm_embedding", decoder.layernorm_embedding, encoder.layernorm_embedding),
    ]
    for i, planned in enumerate(decoder.plan):
        if planned.encoder_layer is None or config.random_inherited_layers:
            continue
        for ours, theirs in INHERITED_FROM.items():
            target = decoder.layers[i].get_submodule(ours)
            source = encoder.layers[planned.encoder_layer].get_submodule(theirs)
            pairs += _pairs(f"layers.{i}.{ours}", target, source)
    copied = set()
    for name, ours_, theirs_ in pairs:
        if ours_ is not theirs_:
            ours_.copy_(theirs_)
            copied.add(name)
    return copied


def _pairs(name: str, ours: nn.Module, theirs: nn.Module) -> list[tuple[str, Tensor, Tensor]]:
    source = dict(theirs.named_parameters())
    return [(f"{name}.{part}", tensor, source[part]) for part, tensor in ours.named_parameters()]
