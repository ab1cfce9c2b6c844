"""Give a Hugging Face encoder another vocabulary: every embedding row follows its piece."""

import json
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from swcm_fairseq.checkpoint_state import Options
from swcm_fairseq.data.piece_list import SPECIALS
from swcm_fairseq.data.vocabulary import MASK
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.encoder_files import CONFIG_FILE, SAFETENSORS
from swcm_fairseq.interop.files import load_directory, load_json, save_safetensors
from swcm_fairseq.interop.new_rows import started_rows
from swcm_fairseq.interop.row_plans import NewRows
from swcm_fairseq.interop.rows import EMBEDDINGS, HUGGINGFACE_TABLES, carried, generator_of, row_index
from swcm_fairseq.output_files import whole_file, write_whole


@dataclass
class CarriedRows:
    """Rows and parameters of an encoder before and after the change, and how new rows were initialized."""

    rows_before: int
    rows_after: int
    carried: int
    new: int
    parameters_before: int
    parameters_after: int
    new_rows: Options


def carry_rows(
    source: Path, old: list[str], new: list[str], seed: int, new_rows: NewRows
) -> tuple[dict[str, object], dict[str, Tensor], CarriedRows]:
    """The encoder of ``source`` with one embedding row for each symbol of ``new``.

    Rows of symbols in ``old`` are copied bit for bit. Other rows start as ``new_rows`` specifies, or at random with
    mean 0; the biases of random rows are 0. Rows that belong to no symbol (padding at the end of the table) are
    dropped. All other tensors are unchanged.

    Args:
        source: Hugging Face directory (``config.json`` and ``model.safetensors`` or ``pytorch_model.bin``).
        old: symbols of the rows of ``source``, in order.
        new: symbols of the rows of the result, in order.
        seed: random seed for new rows.
        new_rows: how new rows start.

    Returns:
        configuration, tensors by name, and a summary of the rows.

    Raises:
        InputError: a file is damaged, or the embeddings have fewer rows than ``old`` has symbols.
    """
    config, tensors = load_json(source / CONFIG_FILE), load_directory(source)
    rows = next((len(tensor) for name, tensor in tensors.items() if name.endswith(EMBEDDINGS)), 0)
    if rows == len(old) - 1:
        old = old[:-1]  # an encoder without <mask>
    if rows < len(old):
        raise InputError(
            f"{source}: {rows} embedding rows, but its vocabulary has {len(old)} symbols; "
            "the two belong to different models"
        )
    index = row_index(old, new)
    before = _parameters(tensors)
    pieces = {symbol: i for i, symbol in enumerate(old) if symbol not in (*SPECIALS, MASK)}
    started = [i for i, symbol in enumerate(new) if symbol in new_rows.starts]
    starts = [new_rows.starts[new[i]] for i in started]
    for name, tensor in tensors.items():
        if name.endswith(HUGGINGFACE_TABLES):
            tensors[name] = carried(tensor, index, generator_of(seed), new_rows.std)
            tensors[name][started] = started_rows(tensor, pieces, starts, new_rows.push_apart, seed)
    counts = int((index >= 0).sum()), int((index < 0).sum())
    report = new_rows.report(symbol for symbol, row in zip(new, index.tolist(), strict=True) if row < 0)
    carried_rows = CarriedRows(rows, len(new), *counts, before, _parameters(tensors), report)
    return {**config, "vocab_size": len(new), **_special_ids(new)}, tensors, carried_rows


def _special_ids(symbols: list[str]) -> dict[str, int]:
    """Ids for the configuration, because the padding id of some published ones differs from their tokenizer's."""
    names = {"bos_token_id": "<s>", "pad_token_id": "<pad>", "eos_token_id": "</s>"}
    return {key: symbols.index(symbol) for key, symbol in names.items()}


def _parameters(tensors: dict[str, Tensor]) -> int:
    """Number of parameters without an output matrix, which XLM-R ties to the embeddings."""
    return sum(tensor.numel() for name, tensor in tensors.items() if not name.endswith("lm_head.decoder.weight"))


def write_carried(target: Path, config: dict[str, object], tensors: dict[str, Tensor]) -> None:
    """Write ``config.json`` and ``model.safetensors``; raises :class:`InputError` if they cannot be written."""
    content = json.dumps(config, indent=2, ensure_ascii=False) + "\n"
    write_whole(target / CONFIG_FILE, content.encode("utf-8"))
    with whole_file(target / SAFETENSORS) as place:
        save_safetensors(tensors, place)
