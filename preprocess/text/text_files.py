"""Plain or compressed text files, read in blocks of lines that end only at LF.

U+2028, U+0085, form feeds and similar characters never end a line. The last line needs no LF. The CR of CRLF and a byte
order mark are removed. Compression is recognized by the first bytes, not by the file name.
"""

import codecs
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import BinaryIO

from swcm_fairseq.errors import InputError
from swcm_fairseq.packed_files import DAMAGED, unpacked, whole

DEFAULT_ENCODING = "utf-8"
CHUNK_BYTES = 1 << 20
BLOCK_BYTES = 1 << 18
BLOCK_LINES = 2000
_MARKS = 8  # bytes kept beyond the maximum length: enough for a byte order mark, CR and one byte too many


# (first bytes, kind of file, how to convert it)
_NOT_TEXT = (
    (codecs.BOM_UTF16_LE, "UTF-16", "convert it: iconv -f UTF-16 -t UTF-8"),
    (codecs.BOM_UTF16_BE, "UTF-16", "convert it: iconv -f UTF-16 -t UTF-8"),
)


def contains_ascii(encoding: str) -> bool:
    """Whether an encoding is known and its line feeds are single 0x0A bytes (UTF-8, GB18030, Big5, ...)."""
    ascii_bytes = bytes(range(128))
    try:
        return ascii_bytes.decode(encoding) == ascii_bytes.decode("ascii")
    except (LookupError, UnicodeDecodeError):
        return False


def check_readable_twice(option: str, paths: Iterable[Path]) -> None:
    """Raise :class:`InputError`, which names the option, if a path is a pipe; files and folders can be read again."""
    for path in paths:
        if not (path.is_file() or path.is_dir()):
            raise InputError(f"{option}: {path} cannot be read twice; save it to a file first")


class TextFile:
    """One text file, opened for reading lines as bytes.

    Args:
        path: the file; pipes such as ``/dev/fd/63`` work too.
        max_bytes: longer lines are cut to ``max_bytes + 1`` bytes, so that memory stays bounded and the caller sees
            that they are too long.

    Raises:
        InputError: the file is missing, empty, a directory or unreadable, or its first bytes show that it is not text.
    """

    def __init__(self, path: Path | str, max_bytes: int):
        self.path = Path(path)
        self.max_bytes = max_bytes
        try:
            self._raw = open(self.path, "rb")  # noqa: SIM115 (closed by close())
            mode = os.fstat(self._raw.fileno())
            self.size = mode.st_size if stat.S_ISREG(mode.st_mode) else None
            start = self._raw.peek(8)[:8]
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror}") from error
        if not start:
            raise InputError(f"{self.path}: the file is empty")
        self._stream = self._decompressed(start)

    def _decompressed(self, start: bytes) -> BinaryIO:
        for magic, kind, fix in _NOT_TEXT:
            if start.startswith(magic):
                raise InputError(f"{self.path}: not text but {kind}; {fix} {self.path}")
        return unpacked(self._raw, self.path)

    def position(self) -> int:
        """Number of bytes read so far, before decompression."""
        return self._raw.tell() if self.size is not None else 0

    def close(self) -> None:
        """Close the file."""
        self._stream.close()
        self._raw.close()

    def chunks(self) -> Iterator[bytes]:
        """The decompressed content in pieces of at most 1 MiB."""
        try:
            while chunk := self._stream.read(CHUNK_BYTES):
                yield chunk
        except DAMAGED as error:
            raise InputError(f"{self.path}: damaged compressed file: {error}; download or pack it again") from error
        except OSError as error:
            raise InputError(f"{self.path}: {error.strerror or error}") from error

    def lines(self) -> Iterator[bytes]:
        """The lines, without line ends and byte order mark."""
        first = True
        for line in self._raw_lines():
            if first:
                line = line.removeprefix(codecs.BOM_UTF8)
                first = False
            line = line.removesuffix(b"\r")
            yield line if len(line) <= self.max_bytes else line[: self.max_bytes + 1]
        if first:
            raise InputError(f"{self.path}: the decompressed file is empty")

    def _raw_lines(self) -> Iterator[bytes]:
        rest = b""
        ended = False  # whether an LF has been seen
        for chunk in self.chunks():
            *whole, tail = chunk.split(b"\n")
            if not whole:
                rest += tail[: max(0, self.max_bytes + _MARKS - len(rest))]
                continue
            ended = True
            whole[0] = rest + whole[0]
            yield from whole
            rest = tail
        if not ended and b"\r" in rest.removesuffix(b"\r"):
            raise InputError(
                f"{self.path}: lines end in CR instead of LF (old Macintosh); "
                f"convert the file: tr '\\r' '\\n' < {self.path}"
            )
        if rest:
            yield rest


@dataclass
class Block:
    """Consecutive lines of one file, or of the two files of a pair.

    Attributes:
        paths: the file of each side.
        first_line: number of the first line, from 1.
        sides: the lines of each side as bytes; all sides have the same number of lines.
        position: number of bytes of the files read so far, for the progress bar.
    """

    paths: tuple[Path, ...]
    first_line: int
    sides: tuple[list[bytes], ...]
    position: int


def read_blocks(paths: tuple[Path, ...], max_bytes: int) -> Iterator[Block]:
    """Read files side by side, in blocks small enough that many fit in memory.

    Raises:
        InputError: a file cannot be read, or the files have different numbers of lines (both are named).
    """
    with ExitStack() as stack:
        files = [TextFile(path, max_bytes) for path in paths]
        for file in files:
            stack.callback(file.close)
        streams = [file.lines() for file in files]
        number, size = 1, 0
        rows: list[tuple[bytes, ...]] = []
        for row in zip_longest(*streams):
            if None in row:
                counts = _all_lines(streams, row, number + len(rows) - 1)
                raise InputError(_mismatch(paths, counts))
            rows.append(row)
            size += sum(map(len, row))
            if size >= BLOCK_BYTES or len(rows) == BLOCK_LINES:
                yield _block(files, number, rows)
                number, size, rows = number + len(rows), 0, []
        if rows:
            yield _block(files, number, rows)


def _block(files: list[TextFile], number: int, rows: list[tuple[bytes, ...]]) -> Block:
    sides = tuple(list(side) for side in zip(*rows, strict=True))
    return Block(tuple(file.path for file in files), number, sides, sum(file.position() for file in files))


def _all_lines(streams: list[Iterator[bytes]], row: tuple[bytes | None, ...], common: int) -> list[int]:
    """Number of lines of each file; ``row`` is the first row that some files lack, after ``common`` complete rows."""
    return [
        common if line is None else common + 1 + sum(1 for _ in stream)
        for line, stream in zip(row, streams, strict=True)
    ]


def _mismatch(paths: tuple[Path, ...], counts: list[int]) -> str:
    lengths = ", ".join(f"{path} has {count}" for path, count in zip(paths, counts, strict=True))
    shortest = min(range(len(counts)), key=counts.__getitem__)
    place = f"{paths[shortest]}:{counts[shortest] + 1}"
    return f"{place}: no such line; the files of a pair need the same number of lines: {lengths}; align them again"


def read_whole(path: Path | str, encoding: str = DEFAULT_ENCODING) -> str:
    """The whole of a file as text, for formats that cannot be read line by line."""
    file = TextFile(path, 0)
    try:
        return whole(file.chunks(), file.path).removeprefix(codecs.BOM_UTF8).decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: invalid {encoding.upper()} at byte {error.start}; give --encoding NAME") from error
    finally:
        file.close()


def open_lines(path: Path | str, max_bytes: int = 1 << 22, encoding: str = DEFAULT_ENCODING) -> Iterator[str]:
    """All lines of a file as text; raises :class:`InputError` at a line that is too long or is not text."""
    file = TextFile(path, max_bytes)
    try:
        for number, raw in enumerate(file.lines(), start=1):
            yield decoded(raw, file.path, number, max_bytes, encoding)
    finally:
        file.close()


def decoded(raw: bytes, path: Path, number: int, max_bytes: int, encoding: str = DEFAULT_ENCODING) -> str:
    """The text of a line of a :class:`TextFile`; raises :class:`InputError` if it is not text, or was cut."""
    if len(raw) > max_bytes:
        raise InputError(
            f"{path}:{number}: longer than {max_bytes:,} bytes; swcm clean leaves such lines out (--max-chars)"
        )
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}:{number}: invalid {encoding.upper()}; "
            "swcm clean converts it (--encoding) or leaves the line out (--skip-invalid)"
        ) from error


def not_decodable(path: Path, number: int, encoding: str) -> str:
    """The message for bytes that are not text."""
    hint = "name its encoding, e.g. --encoding gb18030" if encoding == DEFAULT_ENCODING else "check --encoding"
    return f"{path}:{number}: invalid {encoding.upper()}; {hint}"


def cut(text: str, max_chars: int) -> Iterator[str]:
    """Cut a stripped text into one or more pieces of at most ``max_chars`` characters, at spaces if possible."""
    start = 0
    while len(text) - start > max_chars:
        end = text.rfind(" ", start + 1, start + max_chars + 1)
        end = end if end > 0 else start + max_chars
        yield text[start:end].rstrip()
        while text[end].isspace():
            end += 1
        start = end
    yield text[start:]
