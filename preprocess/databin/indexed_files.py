"""Write fairseq's ``.bin/.idx`` files (its ``mmap`` format) block by block, in constant memory, and atomically."""

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import BinaryIO

import numpy as np

from swcm_fairseq.data.index_format import header, ids_dtype
from swcm_fairseq.output_files import Workspace

_CHUNK = 1 << 16


class IndexedWriter:
    """Writes temporary files that :func:`commit` renames to ``<prefix>.bin`` and ``<prefix>.idx``.

    The bytes are those of fairseq's ``MMapIndexedDatasetBuilder`` on the same sentences.

    Args:
        prefix: path without extension; its directory is created.
        vocabulary_size: size of the vocabulary, which determines the dtype as in fairseq-preprocess (uint16 below
            65,500).
    """

    def __init__(self, prefix: Path, vocabulary_size: int):
        self.prefix = prefix
        self.dtype = ids_dtype(vocabulary_size)
        self.sentences = 0
        self.tokens = 0
        self._new_folder = not prefix.parent.exists()
        self.workspaces = {extension: Workspace(f"{prefix}.{extension}") for extension in ("bin", "idx")}
        with ExitStack() as stack:
            for workspace in self.workspaces.values():
                stack.enter_context(workspace)
            self._bin: BinaryIO = open(self.workspaces["bin"].place, "wb")  # noqa: SIM115 (closed by commit and abort)
            self._idx: BinaryIO = open(self.workspaces["idx"].place, "w+b")  # noqa: SIM115
            self._stack = stack.pop_all()
        self._write_header()

    def _write_header(self) -> None:
        """Write the magic bytes, version 1, the dtype and the number of sentences; repeated once that is known."""
        self._idx.write(header(self.dtype, self.sentences))

    def add(self, data: bytes, sizes: np.ndarray) -> None:
        """Append sentences.

        Args:
            data: concatenated ids of the sentences, as bytes of ``self.dtype``.
            sizes: number of tokens per sentence, int32, shape (sentences,).
        """
        self._bin.write(data)
        self._idx.write(sizes.astype(np.int32).tobytes())
        self.sentences += len(sizes)
        self.tokens += int(sizes.sum())

    def finish(self) -> None:
        """Complete both files and flush them to disk."""
        self._write_pointers()
        self._idx.seek(0)
        self._write_header()
        for file in (self._bin, self._idx):
            file.flush()
            os.fsync(file.fileno())
            file.close()

    def _write_pointers(self) -> None:
        """Write the byte offset of each sentence, int64, computed chunk by chunk from the sizes already in the file."""
        start = self._idx.tell() - 4 * self.sentences
        width = self.dtype.itemsize
        offset = 0
        for i in range(0, self.sentences, _CHUNK):
            self._idx.seek(start + 4 * i)
            sizes = np.frombuffer(self._idx.read(4 * min(_CHUNK, self.sentences - i)), dtype=np.int32)
            ends = offset + width * np.cumsum(sizes, dtype=np.int64)
            pointers = ends - width * sizes.astype(np.int64)
            self._idx.seek(start + 4 * self.sentences + 8 * i)
            self._idx.write(pointers.tobytes())
            offset = int(ends[-1])

    def abort(self) -> None:
        """Remove files that have not been committed."""
        for file in (self._bin, self._idx):
            with suppress(OSError):  # the file is removed anyway
                file.close()
        self._stack.close()
        if self._new_folder:
            with suppress(OSError):  # a folder with committed files is not empty
                self.prefix.parent.rmdir()


def commit(writers: list[IndexedWriter]) -> None:
    """Give the files of one data set (both sides of pairs) their final names.

    Old indices are removed first and new ones are put in place last, so a complete-looking set never mixes old and new
    files.
    """
    for writer in writers:
        writer.finish()
    for writer in writers:
        Path(f"{writer.prefix}.idx").unlink(missing_ok=True)
    for extension in ("bin", "idx"):
        for writer in writers:
            writer.workspaces[extension].commit()
