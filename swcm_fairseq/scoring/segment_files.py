"""Reads the files that are scored, with one segment per line and equally many lines; writes reports."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from swcm_fairseq.errors import InputError
from swcm_fairseq.output_files import whole_file
from swcm_fairseq.packed_files import read_unpacked


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file, compressed or not, without their ends; LF and CR LF end a line, a BOM is dropped.

    Raises:
        InputError: the file is missing, empty, not UTF-8 (with the line), or its lines end in CR alone.
    """
    try:
        content = read_unpacked(path)
    except OSError as error:
        raise InputError(f"{path}: cannot read it ({error.strerror or error})") from error
    if not content:
        raise InputError(f"{path}: the file is empty; it should have one segment a line")
    rows = content.removesuffix(b"\n").split(b"\n")
    if len(rows) == 1 and b"\r" in rows[0].removesuffix(b"\r"):
        raise InputError(f"{path}: no LF in the file, its lines end in CR; convert it: tr '\\r' '\\n' < {path}")
    lines = []
    for number, row in enumerate(rows, start=1):
        try:
            lines.append(row.removesuffix(b"\r").decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            raise InputError(f"{path}:{number}: not UTF-8; convert it, for example with iconv -t UTF-8") from error
    return lines


def read_texts(path: Path) -> list[str]:
    """As :func:`read_lines`, for references and sources; a file of blank lines raises :class:`InputError`."""
    lines = read_lines(path)
    if not any(map(str.strip, lines)):
        raise InputError(f"{path}: all its lines are blank; it should have one segment a line")
    return lines


def check_lengths(files: Sequence[tuple[Path, Sequence[str]]]) -> None:
    """Raise :class:`InputError` with both counts if a file has more or fewer lines than the first one."""
    first_path, first = files[0]
    for path, lines in files[1:]:
        if len(lines) != len(first):
            raise InputError(
                f"{path} has {len(lines)} lines but {first_path} has {len(first)}: "
                "line n of one must answer line n of the other"
            )


def write_output(make: Callable[[], str], path: Path | None) -> None:
    """Write what ``make`` returns to ``path``, completely or not at all, or to standard output.

    The output is always UTF-8; what UTF-8 cannot encode, such as a byte of a file name, is written as ``\\udcff``.

    Raises:
        InputError: ``path`` cannot be written, which is checked before ``make`` is called, or the disk is full.
    """
    if path is None:
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
        sys.stdout.write(make())
        return
    with whole_file(path) as place:
        text = make()
        place.write_text(text, encoding="utf-8", errors="backslashreplace")
