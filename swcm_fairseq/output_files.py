"""Safe output: no command overwrites its input, leaves half-written files or mixes the output of two runs."""

import contextlib
import errno
import fcntl
import filecmp
import hashlib
import os
import re
import secrets
import shutil
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from swcm_fairseq.errors import InputError, exists

PARTIAL = ".partial"
_NAME_BYTES = 200  # maximum length of the target's name in the workspace name, which may have 255 bytes
_LOCK_ATTEMPTS, _LOCK_WAIT_SECONDS = 50, 0.1  # processes of a run that was just killed may still be exiting
_NO_LOCKS = {errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOTSUP}  # errors of file systems without locks


def cannot_write(path: Path | str, error: OSError) -> InputError:
    """The message for a full disk or a path that cannot be written."""
    return InputError(f"{path}: {error.strerror or error}; make room or give another place to write to")


def target_of(path: Path | str) -> Path:
    """The file (or folder) that an output path refers to, with links resolved.

    Raises:
        InputError: it is a device, a pipe or a socket, its links are circular, or the system refuses its name.
    """
    target = Path(os.path.realpath(path))
    try:
        mode = target.stat().st_mode
    except FileNotFoundError:
        return target
    except OSError as error:
        raise cannot_write(path, error) from error
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        raise InputError(f"{path}: is a device or a pipe; give a file to write")
    return target


def check_distinct(inputs: Iterable[Path | str | None], outputs: Iterable[Path | str | None]) -> None:
    """Check, before any work begins, that no output is also an input, would be written twice or cannot be a file.

    Args:
        inputs: files to read, and folders with files to read; None is ignored.
        outputs: files and folders to write; None is ignored.

    Raises:
        InputError: two paths are the same file, possibly through links; or an output file is in an input folder, or is
            a device or a pipe.
    """
    read = [Path(path) for path in inputs if path is not None]
    names = {name for path in read for name in _names(path)}
    folders = {Path(os.path.realpath(path)) for path in read if path.is_dir()}
    written: set[object] = set()
    for path in (Path(each) for each in outputs if each is not None):
        own, target = _names(path), target_of(path)
        if not own.isdisjoint(names):
            raise InputError(f"{path}: would overwrite its own input; give another file to write")
        if not folders.isdisjoint(target.parents):
            raise InputError(f"{path}: would be written into an input folder; give another folder")
        if not own.isdisjoint(written):
            raise InputError(f"{path}: would be written twice; give a separate file for each output")
        written |= own


def check_outside(inputs: Iterable[Path | str], folder: Path | str) -> None:
    """Raise :class:`InputError` for the first of ``inputs`` that is inside an output folder."""
    for path in inputs:
        if Path(os.path.realpath(folder)) in (own := Path(os.path.realpath(path)), *own.parents):
            raise InputError(
                f"{path}: is inside the output folder {folder} and would be overwritten; give another output folder"
            )


def _names(path: Path) -> set[object]:
    """The identity of a file: its resolved path and, if it exists, its device and inode."""
    names: set[object] = {Path(os.path.realpath(path))}
    if exists(path):
        status = path.stat()
        names.add((status.st_dev, status.st_ino))
    return names


class Workspace:
    """A context manager that creates a temporary file (or folder) next to the output, which is later renamed to it.

    Its name is ``.NAME.<16 hex digits>.partial``. It is locked as long as its process lives. The lock tells another run
    with the same output that this run is still working; an unlocked file was left by a killed run and can be removed.
    The writer may reopen the file by name, but must not replace it, because the lock would stay with the old file.

    Args:
        path: the file or folder to write. If it is a link, its target is replaced.
        is_folder: whether it is a folder.

    Attributes:
        path: the path as given.
        target: the file or folder to replace.
        place: the temporary file or folder.

    Raises:
        InputError: another run is writing there, a folder was given for a file or a file for a folder, or the path
            cannot be written.
    """

    def __init__(self, path: Path | str, is_folder: bool = False):
        self.path = Path(path)
        self.target = target_of(path)
        if self.target.is_dir() and not is_folder:
            raise InputError(f"{path}: is a directory; name a file in it")
        if self.target.is_file() and is_folder:
            raise InputError(f"{path}: is a file; give a directory")
        self._is_folder = is_folder
        self.place = self.target
        self._lock = -1

    def __enter__(self) -> "Workspace":
        try:
            self.target.parent.mkdir(parents=True, exist_ok=True)
            self._claim()
        except OSError as error:
            raise cannot_write(self.path, error) from error
        return self

    def __exit__(self, *_: object) -> None:
        remove(self.place)
        os.close(self._lock)

    def commit(self) -> None:
        """Rename the file to its target and, if it replaces a file, copy that file's permissions; raises OSError."""
        if self.target.is_file():
            shutil.copymode(self.target, self.place)
        os.replace(self.place, self.target)

    def _claim(self) -> None:
        """Create and lock the temporary file, unless another process has one for the same target."""
        name = os.fsencode(self.target.name)
        stem = self.target.name if len(name) <= _NAME_BYTES else hashlib.sha256(name).hexdigest()
        for attempt in range(_LOCK_ATTEMPTS):
            if attempt:
                time.sleep(_LOCK_WAIT_SECONDS)
            # The lock on the folder ensures that other processes check before or after this one.
            with contextlib.suppress(BlockingIOError), _held(self.target.parent):
                _remove_left_over(self.target.parent, stem)
                self.place = self.target.parent / f".{stem}.{secrets.token_hex(8)}{PARTIAL}"
                if self._is_folder:
                    self.place.mkdir()
                else:
                    os.close(os.open(self.place, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
                self._lock = _lock(self.place)[0]
                return
        raise InputError(f"{self.path}: another command is writing there; wait until it has ended")


def _lock(path: Path) -> tuple[int, bool]:
    """Open and lock a file or folder; returns the descriptor and whether its file system supports locks.

    Raises:
        BlockingIOError: another process has locked it.
        OSError: it does not exist or cannot be read.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _NO_LOCKS:
            return descriptor, False
        os.close(descriptor)
        raise
    return descriptor, True


@contextlib.contextmanager
def _held(path: Path) -> Iterator[bool]:
    """Hold the lock on a file or folder; yields whether its file system supports locks."""
    descriptor, has_locks = _lock(path)
    try:
        yield has_locks
    finally:
        os.close(descriptor)


def _remove_left_over(parent: Path, stem: str) -> None:
    """Remove what killed runs left of a file; raises :class:`BlockingIOError` if a live run is writing the file."""
    form = re.compile(rf"\.{re.escape(stem)}\.[0-9a-f]{{16}}{re.escape(PARTIAL)}")
    for path in [Path(entry.path) for entry in os.scandir(parent) if form.fullmatch(entry.name)]:
        # The file may have been removed in the meantime or belong to another user.
        with contextlib.suppress(FileNotFoundError, PermissionError), _held(path) as has_locks:
            if has_locks:
                remove(path)


def remove(path: Path) -> None:
    """Remove a file or folder, if it exists."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_left_overs(parent: Path, names: re.Pattern[str]) -> None:
    """Remove what killed runs left in a folder of files whose names match ``names``."""
    form = re.compile(rf"\.(.+)\.[0-9a-f]{{16}}{re.escape(PARTIAL)}")
    found = [form.fullmatch(entry.name) for entry in os.scandir(parent)]
    for stem in {match[1] for match in found if match and names.fullmatch(match[1])}:
        with contextlib.suppress(BlockingIOError):
            _remove_left_over(parent, stem)


@contextlib.contextmanager
def whole_file(path: Path | str) -> Iterator[Path]:
    """Provide a temporary file (see :class:`Workspace`), which is renamed to ``path`` if the block raises no error.

    Raises:
        InputError: another run is writing there, the path cannot be written, or the disk is full.
    """
    with Workspace(path) as workspace:
        try:
            yield workspace.place
            workspace.commit()
        except OSError as error:
            raise cannot_write(path, error) from error


@contextlib.contextmanager
def locked_directory(directory: Path) -> Iterator[None]:
    """Create a directory and lock it against other runs; raises :class:`InputError` if one is writing there."""
    workspace = Workspace(target_of(directory) / "directory")
    workspace.path = directory  # for messages
    with workspace:
        yield


def write_whole(path: Path | str, content: bytes) -> None:
    """Write a file atomically; raises :class:`InputError` like :func:`whole_file`."""
    with whole_file(path) as place:
        place.write_bytes(content)


def copy_whole(source: Path, target: Path) -> None:
    """Copy a file atomically; raises :class:`InputError` like :func:`whole_file`."""
    with whole_file(target) as place:
        shutil.copyfile(source, place)


class LineFiles:
    """A context manager that writes text files line by line, all or none, and removes files that are not committed.

    Raises:
        InputError: another run is writing one of them, a file cannot be written, or the disk is full.
    """

    def __init__(self, paths: Sequence[Path]):
        self.paths = paths
        self._stack = contextlib.ExitStack()
        self._workspaces: list[Workspace] = []
        self._files: list[TextIO] = []

    def __enter__(self) -> "LineFiles":
        with contextlib.ExitStack() as stack:
            for path in self.paths:
                workspace = stack.enter_context(Workspace(path))
                try:
                    # Written text may contain file names, whose bytes are not always UTF-8.
                    file = open(workspace.place, "w", encoding="utf-8", errors="surrogateescape", newline="\n")
                except OSError as error:
                    raise cannot_write(path, error) from error
                stack.callback(_close, file)
                self._workspaces.append(workspace)
                self._files.append(file)
            self._stack = stack.pop_all()
        return self

    def write(self, line: tuple[str, ...]) -> None:
        """Append a line to each file."""
        try:
            for file, part in zip(self._files, line, strict=True):
                file.write(f"{part}\n")
        except OSError as error:
            raise cannot_write(self.paths[0], error) from error

    def commit(self) -> None:
        """Rename the files to their targets, all or none."""
        done: list[Path] = []
        try:
            for file in self._files:
                file.close()
            for workspace in self._workspaces:
                workspace.commit()
                done.append(workspace.target)
        except OSError as error:
            for target in done:  # a single side of a pair would be mistaken for a complete output
                target.unlink(missing_ok=True)
            raise cannot_write(self.paths[len(done)], error) from error

    def __exit__(self, *error: object) -> None:
        self._stack.close()


def _close(file: TextIO) -> None:
    with contextlib.suppress(OSError):  # a file that cannot be written is removed anyway
        file.close()


@contextlib.contextmanager
def whole_directory(directory: Path, names: Sequence[str]) -> Iterator[Path]:
    """Provide a temporary directory, whose files are moved to ``directory`` when all are complete.

    Args:
        directory: the destination. It must not contain the last file, nor any of the other files with different
            content.
        names: the files, in the order in which they are moved; the last one marks the directory as complete.

    Yields:
        The temporary directory.

    Raises:
        InputError: a model or a different vocabulary exists in ``directory``, another run is writing there, or it
            cannot be written. Half-written files are removed.
    """
    if exists(directory / names[-1]):
        raise InputError(f"{directory}: already contains a model; give another directory")
    with Workspace(directory, is_folder=True) as workspace:
        try:
            yield workspace.place
            _check_kept(workspace.place, directory, names)
            directory.mkdir(parents=True, exist_ok=True)
            for name in names:
                os.replace(workspace.place / name, directory / name)
        except OSError as error:
            raise InputError(f"{directory}: {error.strerror or error}; make room or give another directory") from error


def _check_kept(partial: Path, directory: Path, names: Sequence[str]) -> None:
    """Raise :class:`InputError`, before anything is moved, if the content of a file in ``directory`` would change."""
    for name in names:
        path = directory / name
        if path.exists() and not filecmp.cmp(partial / name, path, shallow=False):
            raise InputError(f"{path}: already exists with different content; give another directory")
