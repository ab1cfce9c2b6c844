"""The save directory of a training run: allow one run at a time, and find an intact checkpoint to resume from."""

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
HALF_WRITTEN = (".pt.tmp", PARTIAL)  # left behind by a kill during a save: fairseq's file, or a copy
# The other checkpoints that fairseq saves next to checkpoint_last.pt: checkpoint3.pt, checkpoint_3_4000.pt,
# checkpoint_best.pt, checkpoint.best_loss_2.150.pt.
_OTHERS = re.compile(r"checkpoint(\d+|_\d+_\d+|_best|\.best_.+)\.pt")
_held: dict[Path, IO[str]] = {}  # locks of this process, held until it exits


def lock(save_dir: str) -> None:
    """Lock ``save_dir`` for this process until it exits for any reason.

    The lock belongs to this process only, so loading processes that briefly outlive a killed run do not hold it.

    Raises:
        InputError: another training run is using the directory, or it cannot be written.
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
                f"--save-dir {save_dir}: another training run is using it (it has locked {path}); "
                "wait until it has ended, or give another directory"
            ) from error
        logger.warning(
            f"{path}: {error.strerror}: this file system does not support locks; start only one run per directory"
        )
    _held[path] = file


def recover(save_dir: str) -> None:
    """Ensure that fairseq finds an intact ``checkpoint_last.pt`` if there is any checkpoint to resume from.

    The caller must hold the lock.

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
        whole, why = max(others)[1], "it is missing, because a save was interrupted"
    copy_whole(whole, last)
    updates = num_updates(read_checkpoint(last))
    logger.warning(f"{last}: {why}; training continues from {whole.name} in the same directory, with {updates} updates")


def whole_beside(last: Path) -> Path:
    """The checkpoint to resume from if ``checkpoint_last.pt`` is damaged: the intact one with the most updates.

    Raises:
        DamagedFileError: no checkpoint is intact.
    """
    others = _whole_checkpoints(last.parent)
    if not others:
        raise DamagedFileError(
            f"{last}: damaged or truncated, and no other checkpoint in {last.parent} is intact; remove it to start "
            "from the beginning"
        )
    return max(others)[1]


def _whole_checkpoints(directory: Path) -> list[tuple[int, Path]]:
    """The intact checkpoints next to ``checkpoint_last.pt``, with their number of updates."""
    return [found for path in directory.iterdir() if (found := _updates(path)) is not None]


def _remove_half_written(directory: Path) -> bool:
    """Remove files left behind by a kill during a save; returns whether there were any."""
    left = [path for path in directory.iterdir() if path.name.endswith(HALF_WRITTEN) and "checkpoint" in path.name]
    for path in left:
        path.unlink()
    return bool(left)


def _updates(path: Path) -> tuple[int, Path] | None:
    """The number of updates and the path of a checkpoint; None for other files and damaged checkpoints."""
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
    """The reason why the training run that saved a checkpoint is finished; None if it is not.

    This check is needed because fairseq checks for the end only after an update, so it would train for one more.

    Args:
        state: the checkpoint.
        options: fairseq's whole configuration.
        early_stopping_runs: number of validations without improvement.
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
        return f"{early_stopping_runs} validations without improvement, --patience {options.checkpoint.patience}"
    return None
