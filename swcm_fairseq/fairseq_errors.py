"""One-line explanations of fairseq errors that users can fix; other errors are bugs and keep their traceback."""

import pickle
import re
import traceback
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

import torch
from omegaconf.errors import OmegaConfBaseException

from swcm_fairseq.interop.files import unreadable

_IN_WORDS = (AssertionError, ValueError, RuntimeError, NotImplementedError, OSError)
_LOST_PROCESS = re.compile(
    r"gloo|Connection (?:closed|reset|refused)|Broken pipe|NCCL|Timed out|timeout", re.IGNORECASE
)
_SENT_BY_CHILD = re.compile(r"swcm_fairseq\.errors\.InputError: (.*)")


def explained(error: BaseException) -> str | None:
    """Explain an error that ended a fairseq command in one line; None if it may be a bug.

    Only errors that passed through one of fairseq's commands are explained.
    """
    frames = list(_frames(error.__traceback__))
    if not any(_module(frame).startswith(("fairseq_cli", "swcm_fairseq.train")) for frame in frames):
        return None
    for explain in (_child, _save, _directory, _unsafe, _launch, _memory, _lost, _option, _system, _in_words):
        line = explain(error, frames)
        if line is not None:
            return " ".join(line.split())
    return None


def _frames(trace: TracebackType | None) -> Iterator[FrameType]:
    """The frames of a traceback, innermost last."""
    return (frame for frame, _ in traceback.walk_tb(trace))


def _module(frame: FrameType) -> str:
    """The module of a frame; ``fairseq_cli.train`` even if it runs as a program."""
    name = str(frame.f_globals.get("__name__"))
    spec = frame.f_globals.get("__spec__")
    return spec.name if name == "__main__" and spec is not None else name


def _local(frames: list[FrameType], function: str, name: str) -> Any:
    """The value of the local variable ``name`` in a function on the stack, or None."""
    found = [frame for frame in frames if frame.f_code.co_name == function]
    return found[-1].f_locals.get(name) if found else None


def _child(error: BaseException, frames: list[FrameType]) -> str | None:
    """The error in a process that fairseq started for one of several GPUs, which torch sends as text."""
    sent = _SENT_BY_CHILD.findall(str(error))
    return sent[-1] if sent else None


def _save(error: BaseException, frames: list[FrameType]) -> str | None:
    path = _local(frames, "torch_persistent_save", "filename")
    if path is None or not isinstance(path, str) or not isinstance(error, OSError | RuntimeError):
        return None
    reason = error.strerror if isinstance(error, OSError) else "cannot be written completely (is the disk full?)"
    return (
        f"{path}: {reason}; make room: the earlier checkpoints are intact, and the same command continues from "
        "the last of them"
    )


def _directory(error: BaseException, frames: list[FrameType]) -> str | None:
    path = _local(frames, "verify_checkpoint_directory", "save_dir")
    if path is None or not isinstance(error, OSError):
        return None
    return f"--save-dir {path}: {error.strerror}; give a directory that can be written"


def _unsafe(error: BaseException, frames: list[FrameType]) -> str | None:
    path = _local(frames, "load_checkpoint_to_cpu", "local_path")
    inside_torch = _module(frames[-1]).startswith(("torch.", "pickle", "zipfile", "_weights_only"))
    if path is None or not (inside_torch or isinstance(error, pickle.UnpicklingError)):
        return None
    return str(unreadable(Path(path), error))


def _launch(error: BaseException, frames: list[FrameType]) -> str | None:
    if isinstance(error, ZeroDivisionError) and frames[-1].f_code.co_name == "_infer_torch_distributed_launch_init":
        return (
            "torchrun has started fairseq on a machine without GPUs; add --cpu --distributed-init-method env:// "
            "--distributed-no-spawn --distributed-rank -1 --distributed-backend gloo --ddp-backend legacy_ddp"
        )
    return None


def _memory(error: BaseException, frames: list[FrameType]) -> str | None:
    if isinstance(error, MemoryError) or "can't allocate memory" in str(error) or "out of memory" in str(error):
        return f"not enough memory ({_first_line(error) or 'none is left'}); use smaller batches or a smaller model"
    return None


def _lost(error: BaseException, frames: list[FrameType]) -> str | None:
    in_torch = "distributed" in _module(frames[-1])
    if not isinstance(error, torch.distributed.DistError) and not (
        in_torch and isinstance(error, RuntimeError | ValueError | OSError) and _LOST_PROCESS.search(str(error))
    ):
        return None
    return (
        f"another process of this training has ended or cannot be reached ({_first_line(error)}); restart all of them, "
        "and training continues from the last checkpoint"
    )


def _option(error: BaseException, frames: list[FrameType]) -> str | None:
    if not isinstance(error, OmegaConfBaseException):
        return None
    key = str(error.full_key or error.key or "")
    return f"{'--' + key.split('.')[-1].replace('_', '-') + ': ' if key else ''}{_first_line(error)}"


def _system(error: BaseException, frames: list[FrameType]) -> str | None:
    if not isinstance(error, OSError) or error.strerror is None:
        return None
    return f"{error.filename}: {error.strerror}" if error.filename is not None else error.strerror


def _in_words(error: BaseException, frames: list[FrameType]) -> str | None:
    """The reason that one of fairseq's own checks gives."""
    raised_there = _module(frames[-1]).split(".")[0] in ("fairseq", "fairseq_cli")
    if raised_there and (isinstance(error, _IN_WORDS) or type(error) is Exception) and str(error):
        return str(error)
    if isinstance(error, ValueError) and _module(frames[-1]).startswith(("fairseq", "numpy")) and "Seed" in str(error):
        return f"--seed: {error}"
    return None


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).strip().splitlines()), "")
