"""Everything the project knows about languages, in one table: a new language is one row.

A language that is not in the table works too: its words are separated by spaces, and Unicode's common sentence ends
apply. Only ROUGE then needs a tokenizer (``--tokenizer word``).

Codes are ISO 639 (``bo``), optionally with a script or region after ``_`` or ``-`` (``kk_arab``). Such a code takes
everything but the script from the row of the plain code.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

from swcm_fairseq.errors import InputError


class WordUnit(Enum):
    """What counts as one word in span noise, lengths and scores."""

    SPACE = "space"  # words separated by spaces (Uyghur, Kazakh, Mongolian, ...)
    TSHEG = "tsheg"  # Tibetan syllables, which end with a tsheg, shad or space
    PIECE = "piece"  # sentencepiece pieces, for scripts without separators (Chinese)


@dataclass(frozen=True)
class Language:
    """One row of the table.

    Attributes:
        code: ISO 639 code, as in ``<bo>``.
        name: English name.
        scripts: Unicode names of the scripts that the language is written in, most common first.
        word_unit: what counts as one word.
        sentence_ends: characters that end a sentence.
        rouge: name of the ROUGE tokenizer (:mod:`swcm_fairseq.scoring.tokenizers`); "" if none is known.
        bleu: name of the sacreBLEU tokenizer. ``intl`` knows the punctuation of every script, ``13a`` only ASCII
            punctuation; ``char`` counts characters, for scripts without spaces.
        cld2: codes that CLD2 returns for text in this language: the correct one first, then similar languages that
            CLD2 mistakes it for.
        own_scripts: scripts that no other language uses. They identify the language without CLD2, which takes short
            Tibetan text for Dzongkha and Chinese text without particles for Japanese.
        flores: name of its FLORES+ file, without ``.jsonl``; "" if it has none. FLORES+ has Kazakh and Mongolian in
            Cyrillic script.
        own_letters: script -> letters that distinguish the language from those that CLD2 confuses with it.
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


# Closing quotes and brackets, which may occur between two sentences.
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
        # CLD2 recognizes 92% of Kazakh lines in Arabic script and takes most of the others for Kyrgyz.
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

# Scripts that run from right to left.
RIGHT_TO_LEFT = frozenset(("Arabic",))

# The five languages of the paper, in the order of their tokens in the dictionary.
DEFAULT_LANGS = ("bo", "kk", "mn", "ug", "zh")
BRIDGE = "zh"  # the only language that is not a minority language

_CODE = re.compile(r"[a-z]{2,3}([_-][A-Za-z0-9]{1,8})*")


def check_code(code: str) -> str:
    """Return ``code`` if it has the form of a language code; raise :class:`InputError` otherwise."""
    if not _CODE.fullmatch(code):
        raise InputError(f"{code!r} is not a language code: use an ISO 639 code such as bo, kk or kk_arab")
    return code


def plain_code(code: str) -> str:
    """``kk_arab`` -> ``kk``; raises :class:`InputError` if ``code`` is not a language code."""
    return re.split("[_-]", check_code(code))[0]


def language(code: str) -> Language:
    """The row for ``code``, or the default row if its plain code is not in the table.

    A script subtag replaces the scripts: ``kk_arab`` gives the row of ``kk`` with ``scripts == ("Arabic",)``.
    """
    plain, *tags = re.split("[_-]", check_code(code))
    row = LANGUAGES.get(plain) or Language(code, code, (), WordUnit.SPACE, _LATIN_ENDS + "。！？؟۔।")
    scripts = tuple(_SUBTAGS[tag.lower()] for tag in tags if tag.lower() in _SUBTAGS)
    return replace(row, scripts=scripts) if scripts else row


def language_token(code: str) -> str:
    """The symbol of a language in the dictionary: ``bo`` -> ``<bo>``."""
    return f"<{check_code(code)}>"
