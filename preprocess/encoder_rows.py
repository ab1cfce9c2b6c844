"""A Hugging Face encoder directory for another vocabulary: every row of its embeddings follows its piece."""

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from preprocess.databin import PARTIAL
from swcm_fairseq.errors import InputError

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
EMBEDDINGS = "word_embeddings.weight"
# Tensors with one row (or number) a symbol, by the end of their name.
BY_SYMBOL = (EMBEDDINGS, "lm_head.decoder.weight", "lm_head.decoder.bias", "lm_head.bias")
INIT_STD = 0.02  # of new rows, as BERT, XLM-R and CINO draw them


@dataclass
class CarriedRows:
    """What happened to an encoder: rows and parameters before and after."""

    rows_before: int
    rows_after: int
    carried: int
    new: int
    parameters_before: int
    parameters_after: int


def has_encoder(directory: Path | str) -> bool:
    """Whether the directory holds an encoder beside its vocabulary."""
    return (Path(directory) / WEIGHTS_FILE).is_file()


def carry_rows(source: Path, target: Path, old: list[str], new: list[str], seed: int) -> CarriedRows:
    """Write the encoder of ``source`` into ``target`` with one embedding row for each symbol of ``new``.

    Rows of symbols that ``old`` has are copied bit for bit; others are drawn from N(0, 0.02), biases are 0. Rows that
    belong to no symbol (padding at the end of the table) are dropped. All other tensors stay as they are.

    Args:
        source: Hugging Face directory (``config.json``, ``model.safetensors``).
        target: directory to write to; exists.
        old: symbols of the rows of ``source``, in order.
        new: symbols of the rows of ``target``, in order.
        seed: of the new rows.

    Raises:
        InputError: a file is damaged, or the embeddings have fewer rows than ``old`` has symbols.
    """
    config, tensors = _read(source)
    rows = next((len(tensor) for name, tensor in tensors.items() if name.endswith(EMBEDDINGS)), 0)
    if rows < len(old):
        raise InputError(
            f"{source / WEIGHTS_FILE}: {rows} embedding rows, but its vocabulary has {len(old)} symbols; "
            "the two belong to different models"
        )
    places = {symbol: i for i, symbol in enumerate(old)}
    index = np.array([places.get(symbol, -1) for symbol in new])
    before = sum(tensor.size for tensor in tensors.values())
    for name, tensor in tensors.items():
        if name.endswith(BY_SYMBOL):
            tensors[name] = _rows(tensor, index, np.random.default_rng(seed))
    _write(source, target, {**config, "vocab_size": len(new), **_special_ids(new)}, tensors)
    return CarriedRows(
        rows,
        len(new),
        int((index >= 0).sum()),
        int((index < 0).sum()),
        before,
        sum(tensor.size for tensor in tensors.values()),
    )


def _special_ids(symbols: list[str]) -> dict[str, int]:
    """Ids in the configuration (some published ones name another padding than their tokenizer has)."""
    names = {"bos_token_id": "<s>", "pad_token_id": "<pad>", "eos_token_id": "</s>"}
    return {key: symbols.index(symbol) for key, symbol in names.items()}


def _rows(tensor: np.ndarray, index: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """``tensor[index]``, with new rows where the index is -1; shape (len(index), ...)."""
    shape = (len(index), *tensor.shape[1:])
    fresh = generator.normal(0, INIT_STD, shape) if tensor.ndim > 1 else np.zeros(shape)
    known = (index >= 0).reshape(-1, *[1] * (tensor.ndim - 1))
    return np.where(known, tensor[np.maximum(index, 0)], fresh.astype(tensor.dtype))


def _read(source: Path) -> tuple[dict, dict[str, np.ndarray]]:
    try:
        config = json.loads((source / CONFIG_FILE).read_text(encoding="utf-8"))
        return dict(config), load_file(source / WEIGHTS_FILE)
    except (OSError, ValueError, SafetensorError) as error:
        raise InputError(f"{source}: not a Hugging Face encoder directory: {error}") from error


def _write(source: Path, target: Path, config: dict, tensors: dict[str, np.ndarray]) -> None:
    weights = target / (WEIGHTS_FILE + PARTIAL)
    try:
        save_file(tensors, weights, metadata={"format": "pt"})
        shutil.copymode(source / WEIGHTS_FILE, weights)  # safetensors makes it private
        os.replace(weights, target / WEIGHTS_FILE)
        partial = target / (CONFIG_FILE + PARTIAL)
        partial.write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        os.replace(partial, target / CONFIG_FILE)
    except (OSError, SafetensorError) as error:
        weights.unlink(missing_ok=True)
        raise InputError(f"{target}: {error}; make room or give another --output") from error
