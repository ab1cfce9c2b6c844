"""A checkpoint is whole or not there: how fairseq's own saving is made safe against kills and full disks.

fairseq writes the first file of a save under another name and renames it, but copies that file over
``checkpoint_last.pt`` and ``checkpoint_best.pt`` in place. All its files go through ``fairseq.file_io.PathManager``,
which lets a program register a handler of its own where iopath is installed.
"""

import importlib.util
import logging
import os
import shutil
import tempfile
from pathlib import Path

from fairseq.file_io import PathManager

from swcm_fairseq.errors import InputError

COPY_SUFFIX = ".copying"  # of a copy that is not whole yet
HALF_WRITTEN = (".pt.tmp", COPY_SUFFIX)  # what a kill leaves behind: fairseq's own and ours


def copy_whole(source: Path | str, target: Path | str) -> None:
    """Copy a file so that ``target`` is at no time anything but its old or its new content.

    Raises:
        InputError: the disk is full, or the place cannot be written; ``target`` is as it was.
    """
    target = Path(target)
    partial: str | None = None
    try:
        descriptor, partial = tempfile.mkstemp(COPY_SUFFIX, f".{target.name}.", target.parent)
        os.close(descriptor)
        shutil.copyfile(source, partial)
        os.chmod(partial, os.stat(source).st_mode)
        os.replace(partial, target)
    except OSError as error:
        raise InputError(
            f"{target}: {error.strerror or error}; what was to be written there is whole in {source}: make room, and "
            "the same command continues"
        ) from error
    finally:
        if partial is not None:
            Path(partial).unlink(missing_ok=True)


def _no_traceback(record: logging.LogRecord) -> bool:
    """Whether to log a record; fairseq logs the traceback of a save that failed, and then raises its error."""
    return not record.getMessage().startswith("Traceback (most recent call last)")


def install() -> None:
    """Make fairseq save as this module says, in this process.

    Without iopath (a part of every ordinary installation) fairseq copies as it always has. What a kill leaves of a copy
    is then seen when training starts again (see :mod:`swcm_fairseq.tasks.save_directory`).
    """
    if importlib.util.find_spec("iopath") is not None:
        from swcm_fairseq.checkpoint_handler import CheckpointPathHandler

        PathManager.register_handler(CheckpointPathHandler())
    logging.getLogger("fairseq.checkpoint_utils").addFilter(_no_traceback)
