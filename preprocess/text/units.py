"""Count words, syllables or characters, to report tokens per unit."""

import regex

from swcm_fairseq.data.languages import WordUnit, language
from swcm_fairseq.data.spelling import TIBETAN_SYLLABLE

_SYLLABLE = regex.compile(rf"{TIBETAN_SYLLABLE}|[^\p{{Tibetan}}\s]+", regex.V1)
_CHARACTER = regex.compile(r"\p{Han}|[^\p{Han}\s]+")


def unit_name(lang: str | None) -> str:
    """Name of the unit that :func:`count_units` counts: word, syllable (Tibetan) or character (Chinese)."""
    unit = language(lang).word_unit if lang else WordUnit.SPACE
    return {WordUnit.SPACE: "word", WordUnit.TSHEG: "syllable", WordUnit.PIECE: "character"}[unit]


def count_units(text: str, lang: str | None) -> int:
    """Number of units in ``text``: words separated by spaces, Tibetan syllables, or Han characters and other words."""
    unit = language(lang).word_unit if lang else WordUnit.SPACE
    if unit is WordUnit.TSHEG:
        return len(_SYLLABLE.findall(text))
    if unit is WordUnit.PIECE:
        return len(_CHARACTER.findall(text))
    return len(text.split())
