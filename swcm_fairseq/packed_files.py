"""Read compressed files (gz, xz, bz2, zst, zip with one file), which are recognized by their first bytes, not by name.

Files are read to the end, so damage or truncation anywhere, even in a later stream, is an error. Content that expands
far more than text can is refused before it fills the memory.
"""

import bz2
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import BinaryIO, Protocol

import zstandard

from swcm_fairseq.errors import InputError

_PACKED_BYTES = 1 << 11  # bytes read at a time, few enough that their unpacked content fits into memory
_UNPACKED_BYTES = 1 << 20  # bytes returned at a time
# Text typically expands four times. Content that expands more than this, and to more than this many bytes, is not text.
MAX_EXPANSION, _UNSUSPECTED_BYTES = 400, 1 << 26
MAX_WHOLE_BYTES = 1 << 30  # maximum size of a file that can only be read as a whole


class BombError(ValueError):
    """The content is far larger than the file."""

    def __init__(self) -> None:
        super().__init__(f"it unpacks to more than {MAX_EXPANSION} times its size, which text never does")


def check_expansion(unpacked_bytes: int, packed_bytes: int) -> None:
    """Raise :class:`BombError` if the content is too large for the size of the file."""
    if unpacked_bytes > max(_UNSUSPECTED_BYTES, MAX_EXPANSION * packed_bytes):
        raise BombError


def check_archive(archive: zipfile.ZipFile) -> None:
    """Raise :class:`BombError` if the listed file sizes in an archive are too large; unpacks nothing."""
    for member in archive.infolist():
        check_expansion(member.file_size, member.compress_size)


def _open_only_member(file: BinaryIO) -> BinaryIO:
    """Open the only file in a zip archive."""
    archive = zipfile.ZipFile(file)
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        raise zipfile.BadZipFile(f"the archive contains {len(members)} files instead of one; unpack it")
    check_archive(archive)
    return archive.open(members[0])  # type: ignore[return-value]


class Decompressor(Protocol):
    """A decompressor for one stream, of any format."""

    @property
    def eof(self) -> bool:
        """Whether the stream has ended."""
        ...

    @property
    def unused_data(self) -> bytes:
        """The bytes after the end of the stream."""
        ...

    def decompress(self, data: bytes, /) -> bytes:
        """Unpack ``data``."""
        ...


class _Streams(io.RawIOBase):
    """Unpacks a file with one or more streams to the end.

    It is needed because Python's readers for bz2 and xz mistake a damaged later stream for the end of the file, and
    zstandard's mistakes truncation for it.

    Args:
        file: the file to read.
        new: creates a decompressor for one stream.
        padded: whether zero bytes are allowed between and after streams.
    """

    def __init__(self, file: BinaryIO, new: Callable[[], Decompressor], padded: bool):
        self._file, self._new, self._padded = file, new, padded
        self._stream = new()
        self._inside = False  # whether a stream has begun but not ended
        self._read = self._unpacked = 0

    def read(self, _: int = -1) -> bytes:
        """The next unpacked bytes, or b"" at the end; their number depends on the compression."""
        parts: list[bytes] = []
        start = self._unpacked
        while self._unpacked - start < _UNPACKED_BYTES and (packed := self._file.read(_PACKED_BYTES)):
            self._read += len(packed)
            parts += self._of(packed)
            self._unpacked = start + sum(map(len, parts))
            check_expansion(self._unpacked, self._read)
        if self._unpacked == start and self._inside:
            raise EOFError("it ends within a stream")
        return b"".join(parts)

    def _of(self, packed: bytes) -> list[bytes]:
        parts = []
        while packed:
            if not self._inside and self._padded and self._read > len(packed):
                packed = packed.lstrip(b"\0")
                if not packed:
                    break
            try:
                parts.append(self._stream.decompress(packed))
            except OSError as error:  # raised by bz2
                raise EOFError(error) from error
            self._inside = not self._stream.eof
            packed = b"" if self._inside else self._stream.unused_data
            if not self._inside:
                self._stream = self._new()
        return parts


def _gz(file: BinaryIO) -> BinaryIO:
    return _Streams(file, lambda: zlib.decompressobj(wbits=31), padded=True)  # type: ignore[return-value]


def _xz(file: BinaryIO) -> BinaryIO:
    return _Streams(file, lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ), padded=True)  # type: ignore[return-value]


def _bz2(file: BinaryIO) -> BinaryIO:
    return _Streams(file, bz2.BZ2Decompressor, padded=False)  # type: ignore[return-value]


def _zst(file: BinaryIO) -> BinaryIO:
    return _Streams(file, lambda: zstandard.ZstdDecompressor().decompressobj(), padded=False)  # type: ignore[return-value]


# (first bytes, opener)
_PACKINGS = (
    (b"\x1f\x8b", _gz),
    (b"\xfd7zXZ\x00", _xz),
    (b"BZh", _bz2),
    (b"\x28\xb5\x2f\xfd", _zst),
    (b"PK\x03\x04", _open_only_member),
)
# The exceptions for invalid compressed data.
DAMAGED = (
    *(EOFError, lzma.LZMAError, zlib.error, zipfile.BadZipFile, zstandard.ZstdError, BombError),
    NotImplementedError,  # a zip with a method or version that Python does not support
)


def unpacked(file: io.BufferedReader, path: Path) -> BinaryIO:
    """A stream of the content of an open file, which is the file itself unless it is compressed.

    Reading from the stream may raise one of :data:`DAMAGED` or OSError.

    Raises:
        InputError: the file cannot be unpacked.
    """
    start = file.peek(8)[:8]
    for magic, opener in _PACKINGS:
        if start.startswith(magic):
            try:
                return opener(file)
            except (*DAMAGED, OSError, RuntimeError) as error:  # RuntimeError: a zip with a password
                raise InputError(f"{path}: cannot be unpacked: {error}") from error
    return file  # type: ignore[return-value]


def read_unpacked(path: Path) -> bytes:
    """Read a whole file, compressed or not; raises OSError, or :class:`InputError` if it is damaged."""
    with open(path, "rb") as file, unpacked(file, path) as stream:
        try:
            return whole(iter(lambda: stream.read(1 << 20), b""), path)
        except DAMAGED as error:
            raise InputError(f"{path}: damaged compressed file: {error}; download or compress it again") from error


def whole(chunks: Iterable[bytes], path: Path) -> bytes:
    """Join ``chunks``; raises :class:`InputError` if there are more than :data:`MAX_WHOLE_BYTES`."""
    parts, size = [], 0
    for part in chunks:
        parts.append(part)
        size += len(part)
        if size > MAX_WHOLE_BYTES:
            raise InputError(f"{path}: is larger than {MAX_WHOLE_BYTES >> 30} GiB; split it into several files")
    return b"".join(parts)
