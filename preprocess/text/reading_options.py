"""How raw lines of text files become text: decoding, the longest line, NUL bytes; one place for all commands."""

import argparse
from dataclasses import dataclass
from pathlib import Path

from swcm_fairseq.errors import InputError

from ..steps.ledger import Reason
from .text_files import DEFAULT_ENCODING, check_encoding, not_decodable

BYTES_PER_CHARACTER = 4


def check_counts(args: argparse.Namespace, *names: str) -> None:
    """Raise :class:`InputError` for the first of these options (None is passed over) that is below 1."""
    for name in names:
        value = getattr(args, name)
        if value is not None and value < 1:
            raise InputError(f"--{name.replace('_', '-')} {value}: must be at least 1")


@dataclass
class ReadingOptions:
    """What is read and what is left out.

    Attributes:
        max_chars: longer lines are left out.
        encoding: of the text files.
        skip_invalid: leave out lines that cannot be decoded or hold NUL bytes; otherwise the first one raises.
    """

    max_chars: int = 100_000
    encoding: str = DEFAULT_ENCODING
    skip_invalid: bool = False

    @classmethod
    def of(cls, args: argparse.Namespace) -> "ReadingOptions":
        """From the options of :func:`add_reading_options`; raises :class:`InputError` for impossible ones."""
        check_counts(args, "max_chars", "workers")
        return cls(args.max_chars, check_encoding(args.encoding), args.skip_invalid)

    @property
    def max_bytes(self) -> int:
        """No line within ``max_chars`` is longer than this."""
        return BYTES_PER_CHARACTER * self.max_chars

    def read(self, raw: bytes, path: Path, number: int) -> str | Reason:
        """The text of a line, or why it is left out.

        Raises:
            InputError: the line is invalid and those are not skipped.
        """
        if len(raw) > self.max_bytes:
            return Reason.TOO_LONG
        try:
            text = raw.decode(self.encoding)
        except UnicodeDecodeError as error:
            if self.skip_invalid:
                return Reason.INVALID
            raise InputError(f"{not_decodable(path, number, self.encoding)}; --skip-invalid leaves it out") from error
        if len(text) > self.max_chars:
            return Reason.TOO_LONG
        if "\0" in text:
            if self.skip_invalid:
                return Reason.NUL
            raise InputError(f"{path}:{number}: NUL byte in the text; remove it, or leave the line out: --skip-invalid")
        return text


def add_reading_options(parser: argparse.ArgumentParser) -> None:
    """The options of :class:`ReadingOptions`, ``--workers`` and ``--rejects``."""
    default = ReadingOptions()
    parser.add_argument(
        "--max-chars",
        type=int,
        default=default.max_chars,
        metavar="N",
        help=f"leave out lines of more characters (default: {default.max_chars})",
    )
    parser.add_argument(
        "--encoding",
        default=default.encoding,
        metavar="NAME",
        help=f"of all text files (default: {default.encoding}); for example gb18030",
    )
    parser.add_argument(
        "--skip-invalid",
        action="store_true",
        help="leave out lines that cannot be decoded or hold NUL bytes; without it the first one stops the command",
    )
    parser.add_argument("--rejects", type=Path, metavar="FILE", help="write FILE:LINE:REASON of every line left out")
    add_workers_option(parser)


def add_workers_option(parser: argparse.ArgumentParser) -> None:
    """``--workers``; how many there are makes no difference to what is written."""
    parser.add_argument("--workers", type=int, default=1, metavar="N", help="processes that do the work (default: 1)")
