"""No command writes over what it reads, or leaves half-written files."""

import contextlib
import filecmp
import os
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from swcm_fairseq.errors import InputError, exists

PARTIAL = ".partial"


def partial_of(path: Path) -> Path:
    """Where a file is written until it is complete."""
    return path.with_name(path.name + PARTIAL)


def place_of(path: Path) -> Path:
    """:func:`partial_of`, but devices, pipes and links (such as /dev/stdout) are written as they are."""
    as_it_is = path.is_symlink() or (exists(path) and not path.is_file())
    return path if as_it_is else partial_of(path)


def check_distinct(inputs: Iterable[Path | str | None], outputs: Iterable[Path | str | None]) -> None:
    """Raise before work begins if a file to write is also read, or would be written twice.

    Args:
        inputs: files that are read, and folders whose files are; None is passed over.
        outputs: files that are written; None is passed over, and so are devices and pipes.

    Raises:
        InputError: two names are the same file, also through links; or a file to write is in a folder that is read.
    """
    read = [Path(path) for path in inputs if path is not None]
    names = {name: path for path in read for name in _names(path)}
    folders = [path.resolve() for path in read if path.is_dir()]
    written: set[object] = set()
    for path in (Path(each) for each in outputs if each is not None):
        own = _names(path)
        if _is_special(path):
            continue
        if not own.isdisjoint(names):
            raise InputError(f"{path}: would overwrite its own input; give another file to write")
        if exists(path) and any(folder in path.resolve().parents for folder in folders):
            raise InputError(f"{path}: would overwrite a file in a folder that is read; give another place")
        if not own.isdisjoint(written):
            raise InputError(f"{path}: would be written twice; give each output a file of its own")
        written |= own


@contextlib.contextmanager
def whole_directory(directory: Path, names: Sequence[str]) -> Iterator[Path]:
    """Give a directory to write files into, which come to ``directory`` when all are complete.

    Args:
        directory: where to; must not hold the last file yet, nor another of the files with other content.
        names: the files, in the order in which they appear; with the last one the directory is complete.

    Yields:
        Where to write them.

    Raises:
        InputError: there is a model or another vocabulary already, or the place cannot be written; nothing
            half-written remains.
    """
    if (directory / names[-1]).exists():
        raise InputError(f"{directory}: already holds a model; give another directory")
    if directory.exists() and not directory.is_dir():
        raise InputError(f"{directory}: is a file; give a directory")
    partial = partial_of(directory.absolute())
    try:
        shutil.rmtree(partial, ignore_errors=True)  # of a run that was killed
        partial.mkdir(parents=True)
        yield partial
        _check_kept(partial, directory, names)
        directory.mkdir(parents=True, exist_ok=True)
        for name in names:
            os.replace(partial / name, directory / name)
    except OSError as error:
        raise InputError(f"{directory}: {error.strerror or error}; make room or give another directory") from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _check_kept(partial: Path, directory: Path, names: Sequence[str]) -> None:
    """Raise :class:`InputError` before anything is moved, if a file of ``directory`` would get other content."""
    for name in names:
        path = directory / name
        if path.exists() and not filecmp.cmp(partial / name, path, shallow=False):
            raise InputError(f"{path}: is there already, with other content; give another directory")


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file() and not path.is_dir()


def _names(path: Path) -> set[object]:
    """What tells a file from others: its resolved path and, if it is there, its device and inode."""
    names: set[object] = {path.resolve()}
    if exists(path):
        status = path.stat()
        names.add((status.st_dev, status.st_ino))
    return names
