"""A handler for iopath, through which fairseq reads and writes local files, that leaves no half-written files."""

import io
import os
from pathlib import Path
from typing import IO

from iopath.common.file_io import NativePathHandler

from swcm_fairseq.output_files import copy_whole


class _RemovedOnError(io.BufferedWriter):
    """A file opened for writing that is removed if writing fails."""

    def __exit__(self, kind: object, *_: object) -> None:
        whole = False
        try:
            self.close()
            whole = kind is None
        finally:
            if not whole:
                os.unlink(self.raw.name)  # type: ignore[attr-defined]


class CheckpointPathHandler(NativePathHandler):
    """iopath's handler of local files, which also leaves no half-written files."""

    def _open(self, path: str, mode: str = "r", buffering: int = -1, **kwargs: object) -> IO[str] | IO[bytes]:
        if mode == "wb" and buffering != 0:
            return _RemovedOnError(io.FileIO(path, "w"))  # type: ignore[return-value]
        return super()._open(path, mode, buffering=buffering, **kwargs)

    def _copy(self, src_path: str, dst_path: str, overwrite: bool = False, **kwargs: object) -> bool:
        if not overwrite:
            return super()._copy(src_path, dst_path, overwrite, **kwargs)
        copy_whole(Path(src_path), Path(dst_path))
        return True
