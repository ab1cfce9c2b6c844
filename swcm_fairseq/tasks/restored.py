"""What the checkpoint that fairseq is about to restore says about vocabulary and languages."""

import os
from collections.abc import Sequence
from typing import Any

import torch

from swcm_fairseq.errors import InputError

_LAST = "checkpoint_last.pt"


def restored_file(save_dir: str, restore_file: str, finetune_from_model: str | None) -> str | None:
    """The file that ``fairseq-train`` will restore (see ``checkpoint_utils.load_checkpoint``), if there is one."""
    candidates = [restore_file]
    if restore_file == _LAST:
        candidates = [os.path.join(save_dir, _LAST), finetune_from_model or ""]
    return next((path for path in candidates if os.path.isfile(path)), None)


def read_task_state(path: str) -> dict[str, Any]:
    """The task's part of a checkpoint; the tensors are not read."""
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # torch raises many kinds for a damaged file
        raise InputError(f"{path}: not a checkpoint that can be read ({str(error).splitlines()[0]})") from error
    return state.get("task_state") or {}


def check_same_symbols(state: dict[str, Any], symbols: Sequence[str], langs: Sequence[str], path: str) -> None:
    """Raise :class:`InputError` if training would go on with other pieces or languages than the checkpoint's."""
    if "symbols" not in state or list(state["symbols"]) == list(symbols):
        return
    theirs = state["langs"]
    if list(state["symbols"])[: -len(theirs)] == list(symbols)[: -len(langs)]:
        raise InputError(
            f"{path}: was trained with --langs {','.join(theirs)}, not {','.join(langs)}; go on with its languages, or "
            "start a new run with more languages from it: another --save-dir, and "
            f"--pretrained-encoder {path} --pretrained-decoder"
        )
    raise InputError(
        f"{path}: was trained with another vocabulary than the data directory's; binarize the text with its "
        "vocabulary, or use another --save-dir"
    )
