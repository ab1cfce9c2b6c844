"""What was read, kept and left out: nothing is dropped without being counted."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple, TextIO

from preprocess.outputs import cannot_write


class Reason(StrEnum):
    """Why binarization leaves a line (or a pair) out."""

    BLANK = "blank"
    TOO_LONG = "too long"
    NUL = "NUL byte"
    INVALID = "invalid encoding"


class Reject(NamedTuple):
    """A line (or record) that was left out."""

    path: str
    line: int
    reason: str


class Ledger:
    """Counts of one input; ``lines == kept + left out`` is checked by :meth:`close`."""

    def __init__(self) -> None:
        self.lines = 0
        self.kept = 0
        self.left_out: Counter[str] = Counter()

    def add(self, lines: int, kept: int, rejects: Iterable[Reject]) -> None:
        """Count a block."""
        self.lines += lines
        self.kept += kept
        self.left_out.update(str(reject.reason) for reject in rejects)

    def close(self) -> None:
        """Raise if a line is unaccounted for: that would be a defect of the program, not of the input."""
        if self.lines != self.kept + self.left_out.total():
            raise RuntimeError(f"{self.lines} lines read, but {self.kept} kept and {self.left_out.total()} left out")

    def describe(self) -> str:
        """The reasons with their counts, as in "blank 3, too long 1"; "-" if nothing was left out."""
        return ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.left_out.items())) or "-"


class RejectsFile:
    """The file of ``--rejects``: one ``FILE:LINE:REASON`` a line; without a path nothing is written."""

    def __init__(self, path: Path | str | None):
        self._file: TextIO | None = None
        if path is not None:
            try:
                self._file = open(path, "w", encoding="utf-8", errors="surrogateescape")  # noqa: SIM115
            except OSError as error:
                raise cannot_write(f"--rejects {path}", error) from error

    def write(self, rejects: Iterable[Reject]) -> None:
        """Append."""
        if self._file is not None:
            try:
                self._file.writelines(f"{reject.path}:{reject.line}:{reject.reason}\n" for reject in rejects)
            except OSError as error:
                raise cannot_write(self._file.name, error) from error

    def __enter__(self) -> "RejectsFile":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            try:
                self._file.close()
            except OSError as error:
                raise cannot_write(self._file.name, error) from error
