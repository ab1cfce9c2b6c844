"""Input for ``fairseq-interactive``: lines end only at line feeds, and invalid UTF-8 is reported with its line number.

fairseq would treat a carriage return within a line as a line end, which would shift all later outputs.
"""

import io
import sys
from pathlib import Path
from typing import BinaryIO, TextIO

from omegaconf import DictConfig

from swcm_fairseq.errors import InputError


def is_interactive() -> bool:
    """Whether this process runs ``fairseq-interactive``."""
    return Path(sys.argv[0]).stem.removeprefix("fairseq-") == "interactive"


class Utf8Lines(io.TextIOBase):
    """Lines of UTF-8 text that end with a line feed; carriage returns become spaces."""

    def __init__(self, stream: BinaryIO, name: str, owner: TextIO | None = None):
        """Args:
        stream: the stream to read from.
        name: name of the stream in messages.
        owner: the text stream that would close ``stream`` if it were garbage-collected.
        """
        self.stream, self.name, self.owner, self.number = stream, name, owner, 0

    def readline(self, size: int = -1) -> str:  # type: ignore[override]
        """The next line, or "" at the end; raises :class:`InputError` if it is not UTF-8."""
        raw = self.stream.readline()
        self.number += 1
        try:
            text = raw.decode("utf-8-sig" if self.number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise InputError(
                f"{self.name}:{self.number}: not UTF-8 ({error.reason} at byte {error.start + 1} of the line); "
                "convert the text, for example with iconv"
            ) from error
        return text.replace("\r", " ")


def open_input(options: DictConfig) -> None:
    """Make fairseq read ``--input`` through :class:`Utf8Lines`, as standard input.

    Raises:
        InputError: the file cannot be read.
    """
    name = options.interactive.input
    if name == "-":
        if isinstance(sys.stdin, io.TextIOWrapper):
            sys.stdin = Utf8Lines(sys.stdin.buffer, "standard input", sys.stdin)  # type: ignore[assignment]
        return
    try:
        stream = open(name, "rb")  # noqa: SIM115  (read until the process ends)
    except OSError as error:
        raise InputError(f"--input {name}: {error.strerror}") from error
    sys.stdin = Utf8Lines(stream, name)  # type: ignore[assignment]
    options.interactive.input = "-"
