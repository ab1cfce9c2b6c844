"""A checkpoint is intact or absent: how fairseq's own saving is made safe against kills and full disks.

fairseq writes the first file of a save under another name and renames it, but copies that file over
``checkpoint_last.pt`` and ``checkpoint_best.pt`` in place. All its files go through ``fairseq.file_io.PathManager``,
which lets a program register its own handler if iopath is installed.
"""

import importlib.util

from fairseq.file_io import PathManager


def install() -> None:
    """Make fairseq save as described in this module, in this process.

    Without iopath (a part of every ordinary installation) fairseq copies as usual. An incomplete copy is then noticed
    when training starts again (see :mod:`swcm_fairseq.save_directory`).
    """
    if importlib.util.find_spec("iopath") is not None:
        from swcm_fairseq.checkpoint_handler import CheckpointPathHandler

        PathManager.register_handler(CheckpointPathHandler())
