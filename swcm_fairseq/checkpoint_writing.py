"""Make fairseq save checkpoints safely, so that kills and full disks leave no damaged ones.

fairseq writes the first file of a save under another name and renames it, but then copies that file over
``checkpoint_last.pt`` and ``checkpoint_best.pt`` in place. It accesses all files through
``fairseq.file_io.PathManager``, which accepts custom handlers if iopath is installed.
"""

import importlib.util

from fairseq.file_io import PathManager


def install() -> None:
    """Make fairseq save safely in this process.

    Without iopath, which every normal installation includes, fairseq copies in place. An incomplete copy is then
    detected when training resumes (see :mod:`swcm_fairseq.save_directory`).
    """
    if importlib.util.find_spec("iopath") is not None:
        from swcm_fairseq.checkpoint_handler import CheckpointPathHandler

        PathManager.register_handler(CheckpointPathHandler())
