"""A checkpoint is whole or not there: how fairseq's own saving is made safe against kills and full disks.

fairseq writes the first file of a save under another name and renames it, but copies that file over
``checkpoint_last.pt`` and ``checkpoint_best.pt`` in place. All its files go through ``fairseq.file_io.PathManager``,
which lets a program register a handler of its own where iopath is installed.
"""

import importlib.util

from fairseq.file_io import PathManager


def install() -> None:
    """Make fairseq save as this module says, in this process.

    Without iopath (a part of every ordinary installation) fairseq copies as it always has. What a kill leaves of a copy
    is then seen when training starts again (see :mod:`swcm_fairseq.save_directory`).
    """
    if importlib.util.find_spec("iopath") is not None:
        from swcm_fairseq.checkpoint_handler import CheckpointPathHandler

        PathManager.register_handler(CheckpointPathHandler())
