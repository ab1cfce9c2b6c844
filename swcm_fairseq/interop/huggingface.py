"""Hugging Face directories of XLM-R, RoBERTa and BERT encoders, in and out: one table from their names to fairseq's."""

import re
from pathlib import Path

import torch
from torch import Tensor

from swcm_fairseq.data.vocabulary import DICT_FILE, MASK, SENTENCEPIECE_FILE, load_dictionary, load_sentencepiece
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.encoder_weights import (
    HEAD_REASON,
    POSITION_OFFSET,
    EncoderSizes,
    EncoderWeights,
    head_of,
    place,
)
from swcm_fairseq.interop.files import load_directory, load_json

CONFIG_FILE = "config.json"
TOKENIZER_FILE = "tokenizer.json"
SPECIALS = ["<s>", "<pad>", "</s>", "<unk>"]

# fairseq's TransformerEncoder                 Hugging Face
NAMES = {
    "embed_tokens.weight": "embeddings.word_embeddings.weight",
    "embed_positions.weight": "embeddings.position_embeddings.weight",
    "layernorm_embedding": "embeddings.LayerNorm",
    "layers.{i}.self_attn.q_proj": "encoder.layer.{i}.attention.self.query",
    "layers.{i}.self_attn.k_proj": "encoder.layer.{i}.attention.self.key",
    "layers.{i}.self_attn.v_proj": "encoder.layer.{i}.attention.self.value",
    "layers.{i}.self_attn.out_proj": "encoder.layer.{i}.attention.output.dense",
    "layers.{i}.self_attn_layer_norm": "encoder.layer.{i}.attention.output.LayerNorm",
    "layers.{i}.fc1": "encoder.layer.{i}.intermediate.dense",
    "layers.{i}.fc2": "encoder.layer.{i}.output.dense",
    "layers.{i}.final_layer_norm": "encoder.layer.{i}.output.LayerNorm",
}
TOKEN_TYPES = "embeddings.token_type_embeddings.weight"  # row 0 is folded into the positions

HEAD_PREFIX = "lm_head."
# Heads and buffers that an encoder-decoder has no use for, after the prefix (roberta., bert.) is taken off.
LEFT_OUT = {
    r"lm_head\.": HEAD_REASON,
    r"cls\.": "pretraining head",
    r"pooler\.": "pooler",
    r"classifier\.": "classification head",
    r"embeddings\.position_ids$": "buffer",
    r"embeddings\.token_type_ids$": "buffer",
}
PREFIXES = ("", "roberta.", "bert.", "model.", "xlm_roberta.")
MODEL_TYPES = {"xlm-roberta", "roberta", "bert"}
ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_accurate", "gelu_pytorch_tanh": "gelu_accurate", "relu": "relu"}


def name_table(layers: int) -> dict[str, str]:
    """fairseq's tensor name -> Hugging Face's, for an encoder of ``layers`` layers."""
    table = {}
    for ours, theirs in NAMES.items():
        for i in range(layers) if "{i}" in ours else [0]:
            parts = [""] if ours.endswith(".weight") else [".weight", ".bias"]
            table.update({ours.format(i=i) + part: theirs.format(i=i) + part for part in parts})
    return table


def read_huggingface(directory: Path) -> EncoderWeights:
    """Read ``config.json``, the weights and the vocabulary of a directory.

    Raises:
        InputError: a file is missing or damaged, or the layout is not one of ``MODEL_TYPES``.
    """
    config = _config(directory)
    options = _options(directory / CONFIG_FILE, config)
    raw = load_directory(directory)
    tensors, left_out = _without_heads(raw)
    table = name_table(options["layers"])
    theirs_to_ours = {theirs: ours for ours, theirs in table.items()}
    types = tensors.pop(TOKEN_TYPES, None)
    for name in tensors:
        if name not in theirs_to_ours:
            raise InputError(f"{directory}: the tensor {name} has no place in an encoder of {options['layers']} layers")
    for theirs in theirs_to_ours:
        if theirs not in tensors:
            raise InputError(f"{directory}: the tensor {theirs} is missing")
    placed = place(directory, tensors, {name: theirs_to_ours[name] for name in tensors})
    placed["embed_positions.weight"] = _positions(placed["embed_positions.weight"], types, _starts_at_zero(config))
    return EncoderWeights(
        path=directory,
        tensors=placed,
        names=table,
        symbols=read_symbols(directory),
        layer_norm_eps=float(options["eps"]),
        attention_heads=options["heads"],
        activation_fn=options["activation"],
        left_out=left_out,
        head=head_of(raw, HEAD_PREFIX),
    )


def read_huggingface_sizes(directory: Path) -> EncoderSizes:
    """The sizes that ``config.json`` names; raises :class:`InputError` as :func:`read_huggingface` does."""
    config = _config(directory)
    options = _options(directory / CONFIG_FILE, config)
    try:
        return EncoderSizes(
            layers=options["layers"],
            embed_dim=int(config["hidden_size"]),
            ffn_embed_dim=int(config["intermediate_size"]),
            attention_heads=options["heads"],
            positions=int(config["max_position_embeddings"]) - (0 if _starts_at_zero(config) else POSITION_OFFSET),
            activation_fn=options["activation"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _no_configuration(directory / CONFIG_FILE, error) from error


def _config(directory: Path) -> dict:
    config = load_json(directory / CONFIG_FILE)
    model_type = config.get("model_type")
    if model_type not in MODEL_TYPES:
        raise InputError(
            f"{directory / CONFIG_FILE}: model_type {model_type!r} is not supported; use one of {sorted(MODEL_TYPES)}"
        )
    return config


def _starts_at_zero(config: dict) -> bool:
    """Whether the first token of a sequence has row 0 of the position table."""
    return config["model_type"] == "bert"


def _no_configuration(path: Path, error: Exception) -> InputError:
    return InputError(f"{path}: {error!r}: not the configuration of an encoder")


def _options(path: Path, config: dict) -> dict:
    try:
        options = {
            "layers": int(config["num_hidden_layers"]),
            "heads": int(config["num_attention_heads"]),
            "eps": float(config.get("layer_norm_eps", 1e-12)),
        }
    except (KeyError, TypeError, ValueError) as error:
        raise _no_configuration(path, error) from error
    activation = config.get("hidden_act", "gelu")
    if activation not in ACTIVATIONS:
        raise InputError(f"{path}: hidden_act {activation!r} is not supported; use one of {sorted(ACTIVATIONS)}")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise InputError(f"{path}: position_embedding_type must be 'absolute'")
    return {**options, "activation": ACTIVATIONS[activation]}


def _without_heads(raw: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The encoder's tensors without their prefix, and what was left out with the reason."""
    marker = "embeddings.word_embeddings.weight"
    prefix = next((prefix for prefix in PREFIXES if prefix + marker in raw), "")
    tensors, left_out = {}, {}
    for name, tensor in raw.items():
        bare = name.removeprefix(prefix)
        reason = next((reason for pattern, reason in LEFT_OUT.items() if re.match(pattern, bare)), None)
        if reason is None:
            tensors[bare] = tensor
        else:
            left_out[name] = reason
    return tensors, left_out


def _positions(table: Tensor, types: Tensor | None, starts_at_zero: bool) -> Tensor:
    """Position embeddings as fairseq counts them, with token type 0, which every token has, folded in.

    XLM-R and RoBERTa count as fairseq does; BERT's first token has row 0.
    """
    if starts_at_zero:
        table = torch.cat([table.new_zeros(POSITION_OFFSET, table.size(1)), table])
    return table if types is None else table + types[0].to(table)


def read_symbols(directory: Path) -> list[str]:
    """The symbol of every embedding row, from dict.txt, sentencepiece.bpe.model or tokenizer.json.

    Ids are XLM-R's in the first two: ``<s> <pad> </s> <unk>``, the pieces in order, ``<mask>``.
    """
    if (directory / DICT_FILE).is_file():
        return [*load_dictionary(directory / DICT_FILE).symbols, MASK]
    if (directory / SENTENCEPIECE_FILE).is_file():
        processor = load_sentencepiece(directory / SENTENCEPIECE_FILE)
        ids = range(processor.get_piece_size())
        pieces = [processor.id_to_piece(i) for i in ids if not (processor.is_control(i) or processor.is_unknown(i))]
        return [*SPECIALS, *pieces, MASK]
    if (directory / TOKENIZER_FILE).is_file():
        return _tokenizer_symbols(directory / TOKENIZER_FILE)
    raise InputError(
        f"{directory}: no vocabulary ({DICT_FILE}, {SENTENCEPIECE_FILE} or {TOKENIZER_FILE}), "
        "so embedding rows cannot be matched by piece"
    )


def _tokenizer_symbols(path: Path) -> list[str]:
    """Symbols by id of a ``tokenizer.json``: its vocabulary and its added tokens."""
    content = load_json(path)
    try:
        vocabulary = content["model"]["vocab"]
        pieces = vocabulary.items() if isinstance(vocabulary, dict) else ((p, i) for i, (p, _) in enumerate(vocabulary))
        by_id = {int(i): str(piece) for piece, i in pieces}
        by_id.update({int(token["id"]): str(token["content"]) for token in content.get("added_tokens", [])})
        return [by_id.get(i, "") for i in range(max(by_id) + 1)]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a tokenizer file ({error!r})") from error
