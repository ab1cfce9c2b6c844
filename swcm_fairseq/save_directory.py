"""The directory that a training saves into: one training at a time, and an intact checkpoint to continue from."""

import errno
import fcntl
import logging
import re
from pathlib import Path
from typing import IO

from omegaconf import DictConfig

from swcm_fairseq.checkpoint_state import Checkpoint
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.files import DamagedFileError
from swcm_fairseq.output_files import PARTIAL, copy_whole
from swcm_fairseq.restoring import LAST, read_checkpoint

logger = logging.getLogger(__name__)

LOCK = "training.lock"
HALF_WRITTEN = (".pt.tmp", PARTIAL)  # what a kill during a save leaves behind: fairseq's own file, and a copy
# What fairseq saves beside checkpoint_last.pt: checkpoint3.pt, checkpoint_3_4000.pt, checkpoint_best.pt,
# checkpoint.best_loss_2.150.pt.
_OTHERS = re.compile(r"checkpoint(\d+|_\d+_\d+|_best|\.best_.+)\.pt")
_held: dict[Path, IO[str]] = {}  # locks of this process, held until it ends


def lock(save_dir: str) -> None:
    """Claim ``save_dir`` for this process until it ends, however it ends.

    The lock belongs to the process: loading processes that briefly outlive a killed training do not hold it.

    Raises:
        InputError: another process trains into it.
    """
    path = Path(save_dir).resolve() / LOCK
    if path in _held:
        return
    try:
        file = open(path, "a")  # noqa: SIM115  (open as long as the process lives)
    except OSError as error:
        raise InputError(f"--save-dir {save_dir}: {error.strerror}; give a directory that can be written") from error
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EACCES, errno.EAGAIN):
            raise InputError(
                f"--save-dir {save_dir}: another training saves into it (it holds {path}); wait for its end, or give "
                "another directory"
            ) from error
        logger.warning(f"{path}: {error.strerror}: this file system has no locks; start only one training for it")
    _held[path] = file


def recover(save_dir: str) -> None:
    """Make sure that fairseq finds an intact ``checkpoint_last.pt`` if there is any checkpoint to continue from.

    The caller holds the lock.

    Raises:
        InputError: ``checkpoint_last.pt`` is damaged, and no other checkpoint is intact.
    """
    directory, last = Path(save_dir), Path(save_dir) / LAST
    interrupted = _remove_half_written(directory)
    if last.exists():
        try:
            read_checkpoint(last)
            return
        except DamagedFileError:
            whole = whole_beside(last)
        last.replace(last.with_name(LAST + ".damaged"))
        why = f"it is damaged (kept as {LAST}.damaged)"
    else:
        others = _whole_checkpoints(directory)
        if not (interrupted and others):
            return
        whole, why = max(others)[1], "a kill came before it was written"
    copy_whole(whole, last)
    updates = num_updates(read_checkpoint(last))
    logger.warning(f"{last}: {why}; training continues from {whole.name} beside it, which has {updates} updates")


def whole_beside(last: Path) -> Path:
    """What training continues from if ``checkpoint_last.pt`` is damaged: the intact one with the most updates.

    Raises:
        DamagedFileError: there is none.
    """
    others = _whole_checkpoints(last.parent)
    if not others:
        raise DamagedFileError(
            f"{last}: damaged, or cut off, and no other checkpoint in {last.parent} is whole: remove it to start from "
            "the beginning"
        )
    return max(others)[1]


def _whole_checkpoints(directory: Path) -> list[tuple[int, Path]]:
    """The intact checkpoints beside ``checkpoint_last.pt``, with their numbers of updates."""
    return [found for path in directory.iterdir() if (found := _updates(path)) is not None]


def _remove_half_written(directory: Path) -> bool:
    """Remove what a kill during a save left behind; returns whether there was anything."""
    left = [path for path in directory.iterdir() if path.name.endswith(HALF_WRITTEN) and "checkpoint" in path.name]
    for path in left:
        path.unlink()
    return bool(left)


def _updates(path: Path) -> tuple[int, Path] | None:
    """The updates of a checkpoint, and its path; None for other files and damaged ones."""
    if not _OTHERS.fullmatch(path.name):
        return None
    try:
        return num_updates(read_checkpoint(path)), path
    except DamagedFileError:
        return None


def num_updates(state: Checkpoint) -> int:
    """The number of updates after which a checkpoint was saved."""
    history = state.get("optimizer_history") or [{}]
    return int(history[-1].get("num_updates", 0))


def why_finished(state: Checkpoint, options: DictConfig, early_stopping_runs: int) -> str | None:
    """Why the training that saved a checkpoint is finished, or None if it is not.

    fairseq checks for the end only after an update, so it would train for another one.

    Args:
        state: the checkpoint.
        options: fairseq's whole configuration.
        early_stopping_runs: validations without an improvement.
    """
    limits, extra = options.optimization, state.get("extra_state") or {}
    updates = 0 if options.checkpoint.reset_optimizer else num_updates(state)
    if 0 < limits.max_update <= updates:
        return f"it has {updates} updates, --max-update {limits.max_update}"
    if options.checkpoint.reset_dataloader:
        return None
    epoch = (extra.get("train_iterator") or {}).get("epoch", 1)
    if 0 < limits.max_epoch < epoch:
        return f"it has {epoch - 1} epochs, --max-epoch {limits.max_epoch}"
    hours = extra.get("previous_training_time", 0) / 3600
    if 0 < limits.stop_time_hours < hours:
        return f"it took {hours:.2f} hours, --stop-time-hours {limits.stop_time_hours}"
    if 0 < options.checkpoint.patience <= early_stopping_runs:
        return f"{early_stopping_runs} validations were no better, --patience {options.checkpoint.patience}"
    return None
