"""What the project knows about languages, in one table: scripts, words, sentence ends.

A language that is not in the table works too: it gets words between spaces and Unicode's common sentence
ends. Codes are ISO 639 (``bo``), optionally with a script or region after ``_`` or ``-`` (``kk_arab``): everything
but the script is then that of the plain code.
"""

import re
from dataclasses import dataclass, replace
from enum import Enum

from swcm_fairseq.errors import InputError


class WordUnit(Enum):
    """What span noise, lengths and scores take as one word."""

    SPACE = "space"  # words between spaces (Uyghur, Kazakh, Mongolian, ...)
    TSHEG = "tsheg"  # Tibetan syllables, ended by tsheg, shad or space
    PIECE = "piece"  # scripts that separate nothing: every sentencepiece piece (Chinese)


@dataclass(frozen=True)
class Language:
    """One row of the table.

    Attributes:
        code: ISO 639 code, as in ``<bo>``.
        name: English name.
        scripts: Unicode script names the language is written in, most common first.
        word_unit: what one word is.
        sentence_ends: characters that end a sentence.
    """

    code: str
    name: str
    scripts: tuple[str, ...]
    word_unit: WordUnit
    sentence_ends: str


# Closing quotes and brackets: they may stand between a sentence's end and the next sentence.
CLOSERS = "\"'”’»›)）]】」』》〉﴾"

_LATIN_ENDS = ".!?…"

LANGUAGES = {
    language.code: language
    for language in (
        Language("bo", "Tibetan", ("Tibetan",), WordUnit.TSHEG, "།༎༏༐༑༔"),
        Language("kk", "Kazakh", ("Cyrillic", "Arabic"), WordUnit.SPACE, _LATIN_ENDS + "؟۔"),
        Language("mn", "Mongolian", ("Cyrillic", "Mongolian"), WordUnit.SPACE, _LATIN_ENDS + "᠃᠉"),
        Language("ug", "Uyghur", ("Arabic",), WordUnit.SPACE, _LATIN_ENDS + "؟۔"),
        Language("zh", "Chinese", ("Han",), WordUnit.PIECE, "。！？…!?"),
    )
}

# Script subtags of ISO 15924, as in kk_arab, -> Unicode script names.
_SUBTAGS = {
    "arab": "Arabic",
    "cyrl": "Cyrillic",
    "hans": "Han",
    "hant": "Han",
    "latn": "Latin",
    "mong": "Mongolian",
    "tibt": "Tibetan",
}

# The five languages of the paper, in the order their tokens have in the dictionary.
DEFAULT_LANGS = tuple(LANGUAGES)

_CODE = re.compile(r"[a-z]{2,3}([_-][A-Za-z0-9]{1,8})*")


def check_code(code: str) -> str:
    """Return ``code`` if it can name a language; raise :class:`InputError` otherwise."""
    if not _CODE.fullmatch(code):
        raise InputError(f"{code!r} is not a language code: use an ISO 639 code such as bo, kk or kk_arab")
    return code


def language(code: str) -> Language:
    """The row of ``code``: of its plain code, or the general one; with the script of its subtag if it has one.

    ``kk_arab`` gives the row of ``kk`` with ``scripts == ("Arabic",)``.
    """
    plain, *tags = re.split("[_-]", check_code(code))
    row = LANGUAGES.get(plain) or Language(code, code, (), WordUnit.SPACE, _LATIN_ENDS + "。！？؟۔।")
    scripts = tuple(_SUBTAGS[tag.lower()] for tag in tags if tag.lower() in _SUBTAGS)
    return replace(row, scripts=scripts) if scripts else row


def language_token(code: str) -> str:
    """The symbol of a language in the dictionary: ``bo`` -> ``<bo>``."""
    return f"<{check_code(code)}>"
