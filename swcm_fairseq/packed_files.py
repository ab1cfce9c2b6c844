"""Compressed files, recognised by their first bytes and not by their names: gz, xz, bz2, zst, and zip with one file."""

import bz2
import gzip
import io
import lzma
import zipfile
import zlib
from pathlib import Path
from typing import BinaryIO

import zstandard

from swcm_fairseq.errors import InputError

_PACKED_BYTES = 1 << 16  # read at a time from a zst file


def _open_only_member(file: BinaryIO) -> BinaryIO:
    """The one file of a zip archive."""
    archive = zipfile.ZipFile(file)
    members = [member for member in archive.infolist() if not member.is_dir()]
    if len(members) != 1:
        raise zipfile.BadZipFile(f"{len(members)} files in the archive where one is expected; unpack it")
    return archive.open(members[0])  # type: ignore[return-value]


class _ZstdStream(io.RawIOBase):
    """Unpacks zstd, and unlike the library's own reader notices a file that is cut off."""

    def __init__(self, file: BinaryIO):
        self._file = file
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._inside = False  # a frame has begun and not ended

    def read(self, _: int = -1) -> bytes:
        """The next unpacked bytes, b"" at the end; their number is the packer's."""
        while packed := self._file.read(_PACKED_BYTES):
            unpacked = b""
            while packed:
                unpacked += self._frame.decompress(packed)
                self._inside, packed = not self._frame.eof, self._frame.unused_data if self._frame.eof else b""
                if not self._inside:
                    self._frame = zstandard.ZstdDecompressor().decompressobj()
            if unpacked:
                return unpacked
        if self._inside:
            raise EOFError("it ends within a frame")
        return b""


# (first bytes, opener)
_PACKINGS = (
    (b"\x1f\x8b", gzip.open),
    (b"\xfd7zXZ\x00", lzma.open),
    (b"BZh", bz2.open),
    (b"\x28\xb5\x2f\xfd", _ZstdStream),
    (b"PK\x03\x04", _open_only_member),
)
# What is raised where the packed bytes are not what they should be.
DAMAGED = (EOFError, lzma.LZMAError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, zstandard.ZstdError)


def unpacked(file: io.BufferedReader, path: Path) -> BinaryIO:
    """A stream of the content of an open file: itself unless it is compressed.

    Raises:
        InputError: it cannot be unpacked. Reading from the stream may raise one of :data:`DAMAGED`.
    """
    start = file.peek(8)[:8]
    for magic, opener in _PACKINGS:
        if start.startswith(magic):
            try:
                return opener(file)  # type: ignore[return-value]
            except (*DAMAGED, OSError, RuntimeError) as error:  # RuntimeError: a zip with a password
                raise InputError(f"{path}: cannot be unpacked: {error}") from error
    return file  # type: ignore[return-value]


def read_unpacked(path: Path) -> bytes:
    """The whole content of a file, compressed or not; raises OSError, or :class:`InputError` if it is damaged."""
    with open(path, "rb") as file, unpacked(file, path) as stream:
        try:
            return stream.read() if stream is file else b"".join(iter(lambda: stream.read(1 << 20), b""))
        except DAMAGED as error:
            raise InputError(f"{path}: damaged compressed file: {error}; download or pack it again") from error
