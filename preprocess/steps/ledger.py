"""Counts of what was read, kept and left out: nothing is dropped without being counted."""

from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path
from typing import NamedTuple

from swcm_fairseq.output_files import LineFiles


class Reason(StrEnum):
    """Why a line or pair is left out when it is read."""

    BLANK = "blank"
    TOO_LONG = "too long"
    NUL = "NUL byte"
    INVALID = "invalid encoding"


WORDS = "words"  # the key of the total in counts of words


class Reject(NamedTuple):
    """A line (or record) that was left out."""

    path: str
    line: int
    reason: str


class Ledger:
    """Counts over one input; :meth:`close` checks that ``lines == kept + left out``."""

    def __init__(self) -> None:
        self.lines = 0
        self.kept = 0
        self.left_out: Counter[str] = Counter()

    def add(self, lines: int, kept: int, rejects: Iterable[Reject]) -> None:
        """Add the counts of a block."""
        self.lines += lines
        self.kept += kept
        self.left_out.update(str(reject.reason) for reject in rejects)

    def close(self) -> None:
        """Raise :class:`RuntimeError` if a line is unaccounted for, which would be a bug."""
        if self.lines != self.kept + self.left_out.total():
            raise RuntimeError(f"{self.lines} lines read, but {self.kept} kept and {self.left_out.total()} left out")

    def describe(self) -> str:
        """The reasons and their counts, such as "blank 3, too long 1"; "-" if nothing was left out."""
        return ", ".join(f"{reason} {count:,}" for reason, count in sorted(self.left_out.items())) or "-"


class RejectsFile:
    """The file of ``--rejects``, with one ``FILE:LINE:REASON`` per line; without a path, nothing is written.

    A context manager: :meth:`commit` gives the file its name; without it, the file is removed on exit.

    Raises:
        InputError: the file cannot be written, or the disk is full.
    """

    def __init__(self, path: Path | None):
        self._files = None if path is None else LineFiles([path])

    def write(self, rejects: Iterable[Reject]) -> None:
        """Append rejects."""
        if self._files is not None:
            for reject in rejects:
                self._files.write((f"{reject.path}:{reject.line}:{reject.reason}",))

    def commit(self) -> None:
        """Give the complete file its name."""
        if self._files is not None:
            self._files.commit()

    def __enter__(self) -> "RejectsFile":
        if self._files is not None:
            self._files.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        if self._files is not None:
            self._files.__exit__(*error)
