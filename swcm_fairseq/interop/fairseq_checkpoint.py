"""Read fairseq checkpoints: RoBERTa, XLM-R and masked_lm models, and our own."""

import re
from argparse import Namespace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from swcm_fairseq.checkpoint_state import Checkpoint, Options
from swcm_fairseq.data.vocabulary import DICT_FILE, MASK, load_dictionary
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.encoder_weights import (
    POSITION_OFFSET,
    EncoderSizes,
    EncoderWeights,
    renamed_tensors,
)
from swcm_fairseq.interop.files import load_pickle
from swcm_fairseq.interop.lm_head import HEAD_REASON, head_of
from swcm_fairseq.interop.rows import EMBED_TOKENS

# Required options -> what they count.
MAX_NUMBER = 10_000_000  # no encoder has a size above this
NUMBERS = {
    "encoder_layers": "layers",
    "encoder_embed_dim": "hidden units",
    "encoder_ffn_embed_dim": "hidden units of the FFNs",
    "encoder_attention_heads": "attention heads",
}
# Parts of a checkpoint -> their possible types.
PARTS: dict[str, tuple[type, ...]] = {
    "model": (dict,),
    "cfg": (dict, type(None)),
    "args": (Namespace, dict, type(None)),
    "task_state": (dict, type(None)),
}
EPS = 1e-5  # epsilon of fairseq's layer norms; our own checkpoints record theirs

# Prefixes of the encoder's tensors: RoBERTa and masked_lm, the same in files from 2019, and our model.
PREFIXES = ("encoder.sentence_encoder.", "decoder.sentence_encoder.", "encoder.")
OUR_PREFIX = "encoder."
OUR_DECODER_PREFIX = "decoder."

# Old fairseq name -> current name, after the prefix.
OLD_NAMES = {"emb_layer_norm.": "layernorm_embedding."}

# Tensors to leave out by name. masked_lm's segment embeddings are for sentence pairs; its task never passes segments.
LEFT_OUT = {
    r"(encoder|decoder)\.lm_head\.": HEAD_REASON,
    r"encoder\.(lm_head_transform_weight|layer_norm|lm_output_learned_bias|embed_out)\b": HEAD_REASON,
    r"encoder\.(masked_lm_pooler|sentence_projection_layer)\b": "sentence prediction head",
    r"classification_heads\.": "classification head",
    r"(encoder|decoder)\.sentence_encoder\.segment_embeddings\.": "segment embeddings",
    r".*\bversion$": "fairseq's version mark",
    r".*_extra_state$": "epsilon of the layer norms, read separately",
}


def read_fairseq(path: Path) -> EncoderWeights:
    """Read the encoder of a fairseq checkpoint and its dictionary.

    Our own checkpoints contain their symbols. For other models, the dictionary is ``dict.txt`` next to the file or in
    the data directory that the checkpoint records.

    Raises:
        InputError: the file is not a fairseq checkpoint, has no dictionary, or has a tensor that no encoder has.
    """
    state = _load(path)
    model = state["model"]
    prefix = _prefix(path, model)
    options, task = options_of(state, "model"), options_of(state, "task")
    tensors, names, left_out, decoder = _sorted_tensors(path, model, prefix)
    rows = tensors[EMBED_TOKENS].size(0)
    extra = model.get(f"{prefix}_extra_state")
    return EncoderWeights(
        path=path,
        tensors=tensors,
        names=names,
        symbols=_own_symbols(state) or _symbols(path, task, rows),
        layer_norm_eps=_eps(path, extra),
        attention_heads=_number(path, options, "encoder_attention_heads"),
        activation_fn=_activation(path, options),
        left_out=left_out,
        decoder=decoder,
        head=head_of(model, prefix.split(".")[0] + ".lm_head."),
    )


def read_fairseq_sizes(path: Path) -> EncoderSizes:
    """The sizes of the encoder in a fairseq checkpoint; raises :class:`InputError` if it has no encoder."""
    state = _load(path, lazily=True)
    options = options_of(state, "model")
    positions = state["model"][f"{_prefix(path, state['model'])}embed_positions.weight"]
    return EncoderSizes(
        layers=_number(path, options, "encoder_layers"),
        embed_dim=_number(path, options, "encoder_embed_dim"),
        ffn_embed_dim=_number(path, options, "encoder_ffn_embed_dim"),
        attention_heads=_number(path, options, "encoder_attention_heads"),
        positions=positions.size(0) - POSITION_OFFSET,
        activation_fn=_activation(path, options),
    )


def read_model_options(path: Path) -> Options:
    """The model's options recorded in a fairseq checkpoint; {} if it has none."""
    return options_of(_load(path, lazily=True), "model")


def _load(path: Path, lazily: bool = False) -> Checkpoint:
    state = load_pickle(path, lazily)
    if not isinstance(state, dict) or "model" not in state:
        raise InputError(f"{path}: not a fairseq checkpoint (it has no 'model')")
    for part, kinds in PARTS.items():
        if not isinstance(state.get(part), kinds):
            raise InputError(f"{path}: not a fairseq checkpoint (its {part!r} has the wrong type)")
    for name, tensor in state["model"].items():
        if not isinstance(name, str) or not (isinstance(tensor, Tensor) or name.endswith("_extra_state")):
            raise InputError(f"{path}: not a fairseq checkpoint ({name!r} in its model is not a tensor)")
    symbols = (state.get("task_state") or {}).get("symbols")
    if symbols is not None and not (isinstance(symbols, list) and all(isinstance(each, str) for each in symbols)):
        raise InputError(f"{path}: not a fairseq checkpoint (its symbols are not a list of strings)")
    return cast(Checkpoint, state)


def _prefix(path: Path, model: dict[str, Tensor]) -> str:
    """The prefix of the encoder's tensors."""
    prefix = next((prefix for prefix in PREFIXES if f"{prefix}{EMBED_TOKENS}" in model), None)
    if prefix is None:
        raise InputError(f"{path}: has no encoder: none of {', '.join(p + EMBED_TOKENS for p in PREFIXES)}")
    return prefix


def options_of(state: Checkpoint, part: str) -> Options:
    """Options of the model or the task: a namespace in old files, a part of ``cfg`` in newer ones."""
    cfg = state.get("cfg")
    options = (cfg.get(part) if isinstance(cfg, dict) else None) or state.get("args") or {}
    return vars(options) if isinstance(options, Namespace) else options if isinstance(options, dict) else {}


def _number(path: Path, options: Options, name: str) -> int:
    number = options.get(name)
    if not isinstance(number, int) or not 1 <= number < MAX_NUMBER:
        raise InputError(f"{path}: its options lack a valid number of {NUMBERS[name]} ({name})")
    return number


def _eps(path: Path, extra: object) -> float:
    """Epsilon of the layer norms, which our own checkpoints contain."""
    eps = EPS if extra is None else extra.item() if isinstance(extra, Tensor) and extra.numel() == 1 else extra
    if not isinstance(eps, float) or not 0 <= eps < 1:
        raise InputError(f"{path}: not a fairseq checkpoint (the epsilon of its layer norms is not a number)")
    return eps


def _activation(path: Path, options: Options) -> str:
    activation = options.get("activation_fn", "gelu")
    if not isinstance(activation, str):
        raise InputError(f"{path}: its options lack a valid activation_fn")
    return activation


def _sorted_tensors(
    path: Path, model: dict[str, Tensor], prefix: str
) -> tuple[dict[str, Tensor], dict[str, str], dict[str, str], dict[str, Tensor]]:
    """The encoder's tensors under our names, our name -> name in the file, names left out, the decoder's tensors."""
    rename, left_out, decoder, split = {}, {}, {}, {}
    for name, tensor in model.items():
        reason = next((reason for pattern, reason in LEFT_OUT.items() if re.match(pattern, name)), None)
        if reason is not None:
            left_out[name] = reason
        elif prefix == OUR_PREFIX and name.startswith(OUR_DECODER_PREFIX):
            decoder[name.removeprefix(OUR_DECODER_PREFIX)] = tensor.to(torch.float32)
        elif not name.startswith(prefix):
            raise InputError(f"{path}: the tensor {name} does not belong to an encoder")
        elif ".in_proj_" in name:
            split[name] = tensor
        else:
            rename[name] = _current_name(name.removeprefix(prefix))
    tensors = renamed_tensors(path, model, rename)
    names = {ours: theirs for theirs, ours in rename.items()}
    for name, tensor in split.items():
        for letter, part in zip("qkv", tensor.float().chunk(3), strict=True):
            ours = _current_name(name.removeprefix(prefix)).replace("in_proj_", f"{letter}_proj.")
            tensors[ours], names[ours] = part.clone(), name
    return tensors, names, left_out, decoder


def _current_name(name: str) -> str:
    for old, new in OLD_NAMES.items():
        name = new + name.removeprefix(old) if name.startswith(old) else name
    return name


def _own_symbols(state: Checkpoint) -> list[str] | None:
    return (state.get("task_state") or {}).get("symbols")


def _symbols(path: Path, task: Options, rows: int) -> list[str]:
    """The symbols of ``dict.txt`` and, if the table has another row, the ``<mask>`` that masked LM tasks append.

    fairseq's translation task calls the file ``dict.<source language>.txt``.
    """
    data = str(task.get("data") or "").split(":")[0]
    names = [DICT_FILE, *([f"dict.{task['source_lang']}.txt"] if task.get("source_lang") else [])]
    places = [place / name for place in [path.parent, *([Path(data)] if data else [])] for name in names]
    found = next((place for place in places if place.is_file()), None)
    if found is None:
        raise InputError(f"{path}: its dictionary is missing; put it at {' or '.join(map(str, places))}")
    symbols = list(load_dictionary(found).symbols)
    if len(symbols) < rows and MASK not in symbols:
        symbols.append(MASK)
    if len(symbols) != rows:
        raise InputError(
            f"{found}: {len(symbols)} symbols for the {rows} embedding rows of {path}; give the model's own dictionary"
        )
    return symbols
