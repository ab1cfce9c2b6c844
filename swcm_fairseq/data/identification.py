"""Identify the language of a text, by its script and letters if they suffice, otherwise by CLD2 (package ``pycld2``).

CLD2 needs no network and knows the five languages of the paper, including Kazakh in Arabic script and Mongolian in the
traditional script. The table in :mod:`swcm_fairseq.data.languages` defines which scripts and letters identify which
language.
"""

import importlib.util
from functools import cache

import regex

from swcm_fairseq.data.languages import LANGUAGES, Language, plain_code
from swcm_fairseq.data.spelling import normalize

NONE = "none"  # a text without letters
UNKNOWN = "un"  # CLD2's code for a language that it does not know

_OTHER_SCRIPTS = ("Latin", "Hangul", "Hiragana", "Katakana")  # distinguished in addition to those in the table
_OTHER = "Other"
_WORDS = regex.compile(r"\p{Han}|[[\p{L}\p{M}]--\p{Han}]+", regex.VERSION1)  # Tibetan: syllables
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_JAPANESE = ("Han", "Hiragana", "Katakana")  # Japanese mixes these scripts, so CLD2 gets all words of such a text


def has_identifier() -> bool:
    """Whether ``pycld2`` is installed."""
    return importlib.util.find_spec("pycld2") is not None


def words_by_script(text: str) -> dict[str, list[str]]:
    """The words of ``text`` (Chinese characters, Tibetan syllables), grouped by the script of their first letter."""
    scripts = dict.fromkeys([*(script for row in LANGUAGES.values() for script in row.scripts), *_OTHER_SCRIPTS])
    words: dict[str, list[str]] = {}
    for word in _WORDS.findall(normalize(text)):
        script = next((name for name in scripts if _letter(name).match(word)), _OTHER)
        words.setdefault(script, []).append(word)
    return words


@cache
def _letter(script: str) -> regex.Pattern[str]:
    return regex.compile(rf"\p{{{script}}}")


def main_script(text: str) -> str:
    """The Unicode name of the script that most words are in; the first in a tie; :data:`NONE` without letters."""
    return _most(words_by_script(text))


def _most(words: dict[str, list[str]]) -> str:
    return max(words, key=lambda script: len(words[script]), default=NONE)


def identify(text: str, sure: bool = False) -> str:
    """The language of ``text``: an ISO 639 code, :data:`UNKNOWN` or :data:`NONE` (no letters).

    CLD2 sees only the words in the main script, so product names and formulas in Latin letters have no influence.

    Args:
        text: a text of any length.
        sure: whether to return :data:`UNKNOWN` unless CLD2 calls its answer reliable, instead of its best guess.
    """
    words = words_by_script(text)
    script = _most(words)
    if script == NONE:
        return NONE
    if not _KANA.search(text):
        for row in LANGUAGES.values():
            if script in row.own_scripts:
                return row.code
    main_words = " ".join(words[script])
    code = plain_code(_cld2(text if script in _JAPANESE else main_words, sure))
    return _by_letters(main_words, script, code)


def _cld2(text: str, sure: bool) -> str:
    """CLD2's code for ``text``; :data:`UNKNOWN` if it has no answer."""
    import pycld2

    try:
        reliable, _, languages = pycld2.detect(text.encode(), isPlainText=True, bestEffort=not sure)
    except pycld2.error:  # CLD2 rejects some characters
        return UNKNOWN
    return languages[0][1] if reliable or not sure else UNKNOWN


def _by_letters(text: str, script: str, code: str) -> str:
    """Correct CLD2's ``code`` if it confuses languages in ``script``, by their distinctive letters in ``text``."""
    rows = [row for row in LANGUAGES.values() if script in row.own_letters]
    accepting = [row for row in rows if code in row.cld2]
    if not accepting:
        return code

    def letters(row: Language) -> int:
        return len(set(row.own_letters[script]).intersection(text))

    best = max(rows, key=letters)
    if letters(best):
        return best.code
    return code if code in {row.code for row in accepting} else accepting[0].code
