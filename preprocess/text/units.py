"""Words and syllables, to say how many tokens one of them costs."""

import regex

from swcm_fairseq.data.languages import WordUnit, language

_SYLLABLE = regex.compile(r"[\p{Tibetan}&&[\p{L}\p{M}\p{N}]]+|[^\p{Tibetan}\s]+", regex.V1)
_CHARACTER = regex.compile(r"\p{Han}|[^\p{Han}\s]+")


def unit_name(lang: str | None) -> str:
    """What :func:`count_units` counts: words, syllables (Tibetan) or characters (Chinese)."""
    unit = language(lang).word_unit if lang else WordUnit.SPACE
    return {WordUnit.SPACE: "word", WordUnit.TSHEG: "syllable", WordUnit.PIECE: "character"}[unit]


def count_units(text: str, lang: str | None) -> int:
    """Words of ``text``: between spaces; Tibetan syllables; Han characters, other scripts as words between them."""
    unit = language(lang).word_unit if lang else WordUnit.SPACE
    if unit is WordUnit.TSHEG:
        return len(_SYLLABLE.findall(text))
    if unit is WordUnit.PIECE:
        return len(_CHARACTER.findall(text))
    return len(text.split())
