"""How the model starts: the encoder from a file, the inherited decoder layers from the encoder, verified."""

import logging
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import torch
from fairseq.data import Dictionary
from torch import Tensor, nn

from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.encoder_weights import EncoderWeights
from swcm_fairseq.interop.read import read_encoder
from swcm_fairseq.models.config import XLMSWCMConfig
from swcm_fairseq.models.embedding_rows import match_rows
from swcm_fairseq.models.model import XLMSWCMModel

logger = logging.getLogger(__name__)

# Inherited decoder layer <- encoder layer (paper section 3.2). Each norm comes from the norm that follows the copied
# block: the encoder's final_layer_norm follows its FFN.
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
DEFAULT_RESTORE_FILE = "checkpoint_last.pt"  # fairseq's


def will_restore(config: XLMSWCMConfig) -> bool:
    """Whether fairseq will load a checkpoint into the model right after it is built (its load_checkpoint's rule)."""
    if config.restore_file != DEFAULT_RESTORE_FILE:
        return Path(config.restore_file).exists()
    return config.finetune_from_model is not None or (Path(config.save_dir) / DEFAULT_RESTORE_FILE).exists()


@dataclass
class Report:
    """Which tensors were copied (the others are tied or new), and what became of the embedding rows."""

    copied: set[str] = field(default_factory=set)
    rows: Counter = field(default_factory=Counter)
    source: str = ""


def start(model: XLMSWCMModel, dictionary: Dictionary) -> None:
    """Start the weights of a model that no checkpoint will overwrite, and print one table of what came from where."""
    config = model.cfg
    if will_restore(config):
        logger.info("the weights come from the checkpoint; the encoder file is not read")
        return
    report = Report()
    if config.pretrained_encoder is not None:
        path = Path(config.pretrained_encoder)
        if not path.exists():
            model.missing_encoder = path
            return
        weights = read_encoder(path)
        report.source = str(path)
        load_encoder(model, weights, dictionary, report)
    inherit(model, report)
    logger.info("start of the model\n%s", table(model, report))


@torch.no_grad()
def load_encoder(model: XLMSWCMModel, weights: EncoderWeights, dictionary: Dictionary, report: Report) -> None:
    """Put an encoder that was read from a file into the model's.

    Raises:
        InputError: its sizes are not the architecture's, or a tensor is missing, unplaced or of another shape.
    """
    check_sizes(model.cfg, weights)
    encoder = model.encoder
    new = dict(weights.tensors)
    new["embed_tokens.weight"], report.rows = match_rows(
        encoder.embed_tokens.weight, new["embed_tokens.weight"], weights, dictionary, model.cfg.new_rows_from_pieces
    )
    positions = encoder.embed_positions.weight.size(0)
    new["embed_positions.weight"] = new["embed_positions.weight"][:positions]
    own = dict(encoder.named_parameters())
    for name in own.keys() - new.keys():
        raise InputError(f"{weights.path}: no tensor for the encoder's {name}")
    for name, tensor in new.items():
        theirs = weights.names.get(name, name)
        if name not in own:
            raise InputError(f"{weights.path}: the tensor {theirs} has no place in the encoder")
        if own[name].shape != tensor.shape:
            raise InputError(
                f"{weights.path}: {theirs} has the shape {list(tensor.shape)}, the encoder's {name} "
                f"{list(own[name].shape)}"
            )
        own[name].copy_(tensor)
        report.copied.add(f"encoder.{name}")
    encoder.set_layer_norm_eps(weights.layer_norm_eps)
    model.decoder.set_layer_norm_eps(weights.layer_norm_eps)


def check_sizes(config: XLMSWCMConfig, weights: EncoderWeights) -> None:
    """Compare the encoder's options with the architecture's; one line names both and the flag."""
    pairs = [
        ("--encoder-layers", config.encoder_layers, weights.layers),
        ("--encoder-embed-dim", config.encoder_embed_dim, weights.embed_dim),
        ("--encoder-ffn-embed-dim", config.encoder_ffn_embed_dim, weights.ffn_embed_dim),
        ("--encoder-attention-heads", config.encoder_attention_heads, weights.attention_heads),
        ("--activation-fn", str(config.activation_fn), weights.activation_fn),
    ]
    for flag, ours, theirs in pairs:
        if ours != theirs:
            raise InputError(f"{weights.path}: the encoder has {theirs}, the architecture {flag} {ours}; give {theirs}")
    positions = weights.tensors["embed_positions.weight"].size(0) - 2
    for flag, ours in (
        ("--max-source-positions", config.max_source_positions),
        ("--max-target-positions", config.max_target_positions),
    ):
        if ours > positions:
            raise InputError(f"{weights.path}: the encoder has {positions} positions, {flag} is {ours}; give less")


@torch.no_grad()
def inherit(model: XLMSWCMModel, report: Report) -> None:
    """Copy the encoder's embeddings and layers into the decoder, as the layer plan says."""
    encoder, decoder = model.encoder, model.decoder
    length = decoder.embed_positions.weight.size(0)
    copies: list[tuple[str, Tensor, Tensor]] = [
        ("embed_tokens.weight", decoder.embed_tokens.weight, encoder.embed_tokens.weight),
        ("output_projection.weight", decoder.output_projection.weight, encoder.embed_tokens.weight),
    ]
    if report.source or encoder.embed_positions.weight.size(0) >= length:
        copies.append(
            ("embed_positions.weight", decoder.embed_positions.weight, encoder.embed_positions.weight[:length])
        )
    copies += _pairs("layernorm_embedding", decoder.layernorm_embedding, encoder.layernorm_embedding)
    for i, (planned, layer) in enumerate(zip(decoder.plan, decoder.layers, strict=True)):
        if planned.encoder_layer is None or model.cfg.random_inherited_layers:
            continue
        for ours, theirs in INHERITED_FROM.items():
            block = encoder.layers[planned.encoder_layer].get_submodule(theirs)
            copies += _pairs(f"layers.{i}.{ours}", layer.get_submodule(ours), block)
    for name, target, source in copies:
        if target is not source:
            target.copy_(source)
            report.copied.add(f"decoder.{name}")


def _pairs(name: str, ours: nn.Module, theirs: nn.Module) -> list[tuple[str, Tensor, Tensor]]:
    source = dict(theirs.named_parameters())
    return [(f"{name}.{part}", tensor, source[part]) for part, tensor in ours.named_parameters()]


def table(model: XLMSWCMModel, report: Report) -> str:
    """The printed table: tensors copied, tied and new by part of the model, then the embedding rows."""
    counts: dict[str, Counter] = {}
    seen: set[int] = set()
    for name, parameter in model.named_parameters(remove_duplicate=False):
        kind = "tied" if id(parameter) in seen else "copied" if name in report.copied else "new"
        seen.add(id(parameter))
        counts.setdefault(_part(model, name), Counter())[kind] += 1
    kinds = ("copied", "tied", "new")
    lines = [f"{'tensors':<28}" + "".join(f"{kind:>9}" for kind in kinds)]
    for part, count in counts.items():
        lines.append(f"{part:<28}" + "".join(f"{count[kind]:>9,}" for kind in kinds))
    if report.rows:
        lines.append("embedding rows: " + ", ".join(f"{count:,} {what}" for what, count in report.rows.items()))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    lines.append(f"{parameters:,} parameters, started from {report.source or 'random weights'}")
    return "\n".join(lines)


def _part(model: XLMSWCMModel, name: str) -> str:
    half, rest = name.split(".", 1)
    if not rest.startswith("layers."):
        return f"{half} embeddings and output"
    if half == "encoder":
        return "encoder layers"
    return f"decoder layers, {model.decoder.plan[int(rest.split('.')[1])].kind.value}"
