"""How all commands turn raw lines into text: decoding, the maximum length, NUL bytes."""

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
    "not a known encoding that contains ASCII; use utf-8 or gb18030, for example", text_files.contains_ascii
)


@dataclass
class ReadingOptions:
    """How lines are decoded, and which are left out."""

    max_chars: int = option(100_000, "leave out lines of more than N characters", metavar="N", rule=COUNT)
    encoding: str = option(
        DEFAULT_ENCODING, "encoding of all text files, for example gb18030", metavar="NAME", rule=ENCODING
    )
    skip_invalid: bool = option(
        False,
        "leave out lines that cannot be decoded or contain NUL bytes, instead of stopping at the first one",
    )

    @property
    def max_bytes(self) -> int:
        """Maximum size of a line of ``max_chars`` characters."""
        return BYTES_PER_CHARACTER * self.max_chars

    def read(self, raw: bytes, path: Path, number: int) -> str | Reason:
        """The text of a line, or why it is left out.

        Raises:
            InputError: the line is invalid, and invalid lines are not skipped.
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
            raise InputError(f"{path}:{number}: NUL byte in the text; remove it, or skip the line with --skip-invalid")
        return text
