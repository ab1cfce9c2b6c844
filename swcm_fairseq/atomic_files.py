"""Files that appear under their names only when they are complete."""

import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from swcm_fairseq.errors import InputError
from swcm_fairseq.output_files import partial_of, place_of


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; raises OSError."""
    partial = partial_of(path)
    try:
        partial.write_bytes(content)
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def copy_atomically(source: Path, target: Path) -> None:
    """Copy a file whole or not at all; raises OSError."""
    partial = partial_of(target)
    try:
        shutil.copyfile(source, partial)
        os.replace(partial, target)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def cannot_write(path: Path | str, error: OSError) -> InputError:
    """The message for a disk that is full or a place that cannot be written."""
    return InputError(f"{path}: {error.strerror}; make room or give another place to write to")


class LineFiles:
    """Text files, written line by line; a context manager that removes what is not committed.

    Raises:
        InputError: a file cannot be written, or the disk is full.
    """

    def __init__(self, paths: list[Path]):
        self.paths = paths
        self._places = [place_of(path) for path in paths]
        self._files: list[TextIO] = []

    def __enter__(self) -> "LineFiles":
        path = self.paths[0]
        try:
            for path, place in zip(self.paths, self._places, strict=True):
                path.parent.mkdir(parents=True, exist_ok=True)
                # Names of files may hold bytes that are not UTF-8.
                self._files.append(open(place, "w", encoding="utf-8", errors="surrogateescape", newline="\n"))
        except OSError as error:
            self.__exit__()
            raise cannot_write(path, error) from error
        return self

    def write(self, line: tuple[str, ...]) -> None:
        """Append a line to each file."""
        try:
            for file, part in zip(self._files, line, strict=True):
                file.write(f"{part}\n")
        except OSError as error:
            raise cannot_write(self.paths[0], error) from error

    def commit(self) -> None:
        """Give the files their names, all or none."""
        path = self.paths[0]
        renamed: list[Path] = []
        try:
            for file in self._files:
                file.close()
            for path, place in zip(self.paths, self._places, strict=True):
                if place != path:
                    os.replace(place, path)
                    renamed.append(path)
        except OSError as error:
            for done in renamed:  # one side of a pair would be taken for the whole
                done.unlink(missing_ok=True)
            raise cannot_write(path, error) from error

    def __exit__(self, *_: object) -> None:
        for file, path, place in zip(self._files, self.paths, self._places, strict=False):
            with suppress(OSError):  # what could not be written is removed
                file.close()
            if place != path:
                place.unlink(missing_ok=True)
