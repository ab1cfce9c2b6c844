"""Read the files to score, which have one segment per line and the same number of lines; write reports."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from swcm_fairseq.errors import InputError
from swcm_fairseq.output_files import whole_file
from swcm_fairseq.packed_files import read_unpacked


def read_lines(path: Path) -> list[str]:
    """The lines of a UTF-8 file, compressed or not, without line ends (LF or CR LF) and byte order mark.

    Raises:
        InputError: the file is missing, empty or not UTF-8 (the message names the line), or its lines end in CR alone.
    """
    try:
        content = read_unpacked(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error})") from error
    if not content:
        raise InputError(f"{path}: the file is empty; it must have one segment per line")
    rows = content.removesuffix(b"\n").split(b"\n")
    if len(rows) == 1 and b"\r" in rows[0].removesuffix(b"\r"):
        raise InputError(f"{path}: lines end in CR instead of LF; convert the file: tr '\\r' '\\n' < {path}")
    lines = []
    for number, row in enumerate(rows, start=1):
        try:
            lines.append(row.removesuffix(b"\r").decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            raise InputError(f"{path}:{number}: not UTF-8; convert it, for example with iconv -t UTF-8") from error
    return lines


def read_texts(path: Path) -> list[str]:
    """:func:`read_lines` for references and sources; raises :class:`InputError` if all lines are blank."""
    lines = read_lines(path)
    if not any(map(str.strip, lines)):
        raise InputError(f"{path}: all lines are blank; the file must have one segment per line")
    return lines


def check_lengths(files: Sequence[tuple[Path, Sequence[str]]]) -> None:
    """Raise :class:`InputError` with both counts if the number of lines of a file differs from the first file's."""
    first_path, first = files[0]
    for path, lines in files[1:]:
        if len(lines) != len(first):
            raise InputError(
                f"{path} has {len(lines)} lines but {first_path} has {len(first)}; "
                "line n of each file must belong to the same segment"
            )


def write_output(make: Callable[[], str], path: Path | None) -> None:
    """Write the result of ``make`` to ``path``, completely or not at all, or to standard output.

    The output is always UTF-8; what UTF-8 cannot encode, such as a byte of a file name, is written as ``\\udcff``.

    Raises:
        InputError: ``path`` cannot be written (checked before calling ``make``), or the disk is full.
    """
    if path is None:
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")  # type: ignore[union-attr]
        sys.stdout.write(make())
        return
    with whole_file(path) as place:
        text = make()
        place.write_text(text, encoding="utf-8", errors="backslashreplace")
