"""How raw lines of text files become text: decoding, the longest line, NUL bytes; one place for all commands."""

from dataclasses import dataclass
from pathlib import Path

from swcm_fairseq.errors import InputError
from swcm_fairseq.options import option

from ..steps.ledger import Reason
from ..steps.schema import COUNT, Rule
from . import text_files
from .text_files import DEFAULT_ENCODING, not_decodable

BYTES_PER_CHARACTER = 4
ENCODING = Rule(
    "not a known encoding that contains ASCII; give for example utf-8 or gb18030", text_files.contains_ascii
)


@dataclass
class ReadingOptions:
    """What is read and what is left out."""

    max_chars: int = option(100_000, "leave out lines of more characters", metavar="N", rule=COUNT)
    encoding: str = option(
        DEFAULT_ENCODING, "encoding of all text files, for example gb18030", metavar="NAME", rule=ENCODING
    )
    skip_invalid: bool = option(
        False,
        "leave out lines that cannot be decoded or contain NUL bytes; without it, the first one stops the command",
    )

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
