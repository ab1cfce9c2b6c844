"""Read Hugging Face directories of XLM-R, RoBERTa and BERT encoders; one table maps fairseq's names to theirs."""

import re
from pathlib import Path

import torch
from torch import Tensor

from swcm_fairseq.checked_data import checked
from swcm_fairseq.data.piece_list import SPECIALS
from swcm_fairseq.data.vocabulary import DICT_FILE, MASK, SENTENCEPIECE_FILE, load_dictionary, load_sentencepiece
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.encoder_files import CONFIG_FILE
from swcm_fairseq.interop.encoder_weights import (
    POSITION_OFFSET,
    EncoderSizes,
    EncoderWeights,
    renamed_tensors,
)
from swcm_fairseq.interop.files import load_directory, load_json
from swcm_fairseq.interop.lm_head import HEAD_REASON, head_of
from swcm_fairseq.interop.rows import EMBED_TOKENS, EMBEDDINGS

TOKENIZER_FILE = "tokenizer.json"
WORD_EMBEDDINGS = f"embeddings.{EMBEDDINGS}"

# fairseq's TransformerEncoder                 Hugging Face
NAMES = {
    EMBED_TOKENS: WORD_EMBEDDINGS,
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
TOKEN_TYPES = "embeddings.token_type_embeddings.weight"  # row 0 is added to the positions

HEAD_PREFIX = "lm_head."
# Heads and buffers that an encoder-decoder does not use; names without the prefix (roberta., bert.).
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
MAX_SIZE = 10_000_000  # rows, positions, hidden units; no encoder has more
MAX_SIZES = {"num_hidden_layers": 1000, "num_attention_heads": 1000}
ACTIVATIONS = {"gelu": "gelu", "gelu_new": "gelu_accurate", "gelu_pytorch_tanh": "gelu_accurate", "relu": "relu"}


def name_table(layers: int) -> dict[str, str]:
    """fairseq's tensor name -> Hugging Face's, for an encoder with ``layers`` layers."""
    table = {}
    for ours, theirs in NAMES.items():
        for i in range(layers) if "{i}" in ours else [0]:
            parts = [""] if ours.endswith(".weight") else [".weight", ".bias"]
            table.update({ours.format(i=i) + part: theirs.format(i=i) + part for part in parts})
    return table


def read_huggingface(directory: Path) -> EncoderWeights:
    """Read ``config.json``, the weights and the vocabulary of a directory.

    Raises:
        InputError: a file is missing or damaged, or the model type is not in :data:`MODEL_TYPES`.
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
            raise InputError(
                f"{directory}: the tensor {name} does not belong to an encoder of {options['layers']} layers"
            )
    for theirs in theirs_to_ours:
        if theirs not in tensors:
            raise InputError(f"{directory}: the tensor {theirs} is missing; copy the directory again")
    placed = renamed_tensors(directory, tensors, {name: theirs_to_ours[name] for name in tensors})
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
    """The sizes in ``config.json``; raises :class:`InputError` like :func:`read_huggingface`."""
    config = _config(directory)
    options = _options(directory / CONFIG_FILE, config)
    path = directory / CONFIG_FILE
    return EncoderSizes(
        layers=options["layers"],
        embed_dim=_whole_number(path, config, "hidden_size"),
        ffn_embed_dim=_whole_number(path, config, "intermediate_size"),
        attention_heads=options["heads"],
        positions=_whole_number(path, config, "max_position_embeddings")
        - (0 if _starts_at_zero(config) else POSITION_OFFSET),
        activation_fn=options["activation"],
    )


def _config(directory: Path) -> dict:
    config = load_json(directory / CONFIG_FILE)
    model_type = config.get("model_type")
    if not isinstance(model_type, str) or model_type not in MODEL_TYPES:
        raise InputError(
            f"{directory / CONFIG_FILE}: model_type {model_type!r} is not supported; use one of {sorted(MODEL_TYPES)}"
        )
    return config


def _starts_at_zero(config: dict) -> bool:
    """Whether the first token of a sequence uses row 0 of the position table."""
    return config["model_type"] == "bert"


def _whole_number(path: Path, config: dict, key: str) -> int:
    """A size of the encoder; raises :class:`InputError` for an impossible one."""
    if key not in config:
        raise InputError(f"{path}: the key {key!r} is missing; this is not the configuration of an encoder")
    value = checked(config[key], int, f"{path}: {key}")
    if not 0 <= value <= MAX_SIZES.get(key, MAX_SIZE):
        raise InputError(f"{path}: {key}: {value} is impossible for an encoder")
    return value


def _options(path: Path, config: dict) -> dict:
    layers, heads = (_whole_number(path, config, key) for key in ("num_hidden_layers", "num_attention_heads"))
    eps = checked(config.get("layer_norm_eps", 1e-12), float, f"{path}: layer_norm_eps")
    activation = checked(config.get("hidden_act", "gelu"), str, f"{path}: hidden_act")
    if not heads or not 0 <= eps < 1:
        raise InputError(f"{path}: num_attention_heads {heads} and layer_norm_eps {eps} are impossible for an encoder")
    if activation not in ACTIVATIONS:
        raise InputError(f"{path}: hidden_act {activation!r} is not supported; use one of {sorted(ACTIVATIONS)}")
    if config.get("position_embedding_type", "absolute") != "absolute":
        raise InputError(f"{path}: position_embedding_type must be 'absolute'")
    return {"layers": layers, "heads": heads, "eps": eps, "activation": ACTIVATIONS[activation]}


def _without_heads(raw: dict[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, str]]:
    """The encoder's tensors without their prefix, and name of a tensor left out -> reason."""
    prefix = next((prefix for prefix in PREFIXES if prefix + WORD_EMBEDDINGS in raw), "")
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
    """Position embeddings in fairseq's order, plus the embedding of token type 0, which every token has.

    XLM-R and RoBERTa use fairseq's order; BERT's first token uses row 0.
    """
    if starts_at_zero:
        table = torch.cat([table.new_zeros(POSITION_OFFSET, table.size(1)), table])
    return table if types is None else table + types[0].to(table)


def read_symbols(directory: Path) -> list[str]:
    """The symbol of every embedding row, from dict.txt, sentencepiece.bpe.model or tokenizer.json.

    The first two files imply XLM-R's ids: ``<s> <pad> </s> <unk>``, the pieces in order, ``<mask>``.
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
        "so embedding rows cannot be matched by piece; copy one of them into the directory"
    )


def _tokenizer_symbols(path: Path) -> list[str]:
    """The symbols of a ``tokenizer.json`` (vocabulary and added tokens), in id order."""
    content = load_json(path)
    model = checked(content.get("model"), dict[str, object], f"{path}: model")
    pieces = checked(model.get("vocab"), dict[str, int] | list[list[object]], f"{path}: model: vocab")
    if isinstance(pieces, list):
        pieces = {
            checked(next(iter(each), None), str, f"{path}: model: vocab[{i}]"): i for i, each in enumerate(pieces)
        }
    added = checked(content.get("added_tokens", []), list[dict[str, object]], f"{path}: added_tokens")
    by_id = {i: piece for piece, i in pieces.items()}
    for i, token in enumerate(added):
        where = f"{path}: added_tokens[{i}]"
        number = checked(token.get("id"), int, f"{where}: id")
        by_id[number] = checked(token.get("content"), str, f"{where}: content")
    if not by_id or min(by_id) < 0 or max(by_id) >= MAX_SIZE:
        raise InputError(f"{path}: has no ids or impossible ones; copy the file again")
    return [by_id.get(i, "") for i in range(max(by_id) + 1)]
