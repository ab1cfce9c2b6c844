"""Everything the project knows about languages, in one table: a new language is one row.

A language that is not in the table works too: it gets words between spaces and Unicode's common sentence ends; only
ROUGE needs a tokenizer then (``--tokenizer word``).

Codes are ISO 639 (``bo``), optionally with a script or region after ``_`` or ``-``
(``kk_arab``): everything but the script is then that of the plain code.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
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
        rouge: name of the ROUGE tokenizer (:mod:`swcm_fairseq.scoring.tokenizers`), "" if none is known.
        bleu: name of sacreBLEU's tokenizer. ``intl`` knows the punctuation of every script, ``13a`` only ASCII's; where
            words are not spaced, ``char`` counts characters.
        cld2: codes that CLD2 gives to its text, its own first; the others are relatives that CLD2 mistakes it for.
        own_scripts: scripts of no other language: they identify it without CLD2, which takes short Tibetan for Dzongkha
            and Chinese without particles for Japanese.
        flores: its file in FLORES+, without ``.jsonl``; "" if it has none. Kazakh and Mongolian are Cyrillic there.
        own_letters: script -> letters that distinguish it from languages of that script that CLD2 confuses with it.
    """

    code: str
    name: str
    scripts: tuple[str, ...]
    word_unit: WordUnit
    sentence_ends: str
    rouge: str = ""
    bleu: str = "intl"
    cld2: tuple[str, ...] = ()
    own_scripts: tuple[str, ...] = ()
    own_letters: Mapping[str, str] = field(default_factory=dict)
    flores: str = ""


# Closing quotes and brackets: they may occur between the end of a sentence and the next sentence.
CLOSERS = "\"'”’»›)）]】」』》〉﴾"

_LATIN_ENDS = ".!?…"

LANGUAGES = {
    language.code: language
    for language in (
        Language(
            "bo", "Tibetan", ("Tibetan",), WordUnit.TSHEG, "།༎༏༐༑༔",
            "bo-syllable", "char", ("bo", "dz"), ("Tibetan",), flores="bod_Tibt",
        ),
        Language(
            "en", "English", ("Latin",), WordUnit.SPACE, _LATIN_ENDS,
            "rouge-score", "13a", ("en",), flores="eng_Latn",
        ),
        # CLD2 knows 92% of Kazakh lines in Arabic script, and calls most of the others Kyrgyz.
        Language(
            "kk", "Kazakh", ("Cyrillic", "Arabic"), WordUnit.SPACE, _LATIN_ENDS + "؟۔",
            "word", "intl", ("kk", "ky", "tt"), (), {"Arabic": "عحٴ"}, flores="kaz_Cyrl",
        ),
        Language(
            "mn", "Mongolian", ("Cyrillic", "Mongolian"), WordUnit.SPACE, _LATIN_ENDS + "᠃᠉",
            "word", "intl", ("mn",), ("Mongolian",), flores="khk_Cyrl",
        ),
        Language(
            "ug", "Uyghur", ("Arabic",), WordUnit.SPACE, _LATIN_ENDS + "؟۔",
            "word", "intl", ("ug", "ky"), (), {"Arabic": "ئېغخۈھ"}, flores="uig_Arab",
        ),
        Language(
            "zh", "Chinese", ("Han",), WordUnit.PIECE, "。！？…!?",
            "zh-char", "zh", ("zh", "zh-Hant"), ("Han",), flores="cmn_Hans",
        ),
    )
}  # fmt: skip

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
DEFAULT_LANGS = ("bo", "kk", "mn", "ug", "zh")

_CODE = re.compile(r"[a-z]{2,3}([_-][A-Za-z0-9]{1,8})*")


def check_code(code: str) -> str:
    """Return ``code`` if it can name a language; raise :class:`InputError` otherwise."""
    if not _CODE.fullmatch(code):
        raise InputError(f"{code!r} is not a language code: use an ISO 639 code such as bo, kk or kk_arab")
    return code


def plain_code(code: str) -> str:
    """``kk_arab`` -> ``kk``; raises :class:`InputError` if ``code`` cannot be one."""
    return re.split("[_-]", check_code(code))[0]


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
