"""Language accuracy: is a text written in the language that was asked for? By script, and by an identifier.

The identifier is CLD2 (package ``pycld2``), which needs no network and knows the five languages of the paper,
Kazakh in Arabic script and Mongolian in the traditional script among them.
"""

import importlib.util
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import regex

from swcm_fairseq.data.languages import language
from swcm_fairseq.errors import InputError
from swcm_fairseq.scoring.tokenizers import plain_code
from swcm_fairseq.scoring.tokenizers.base import normalize

NONE = "none"  # a text without letters

_SCRIPTS = ("Han", "Tibetan", "Mongolian", "Arabic", "Cyrillic", "Latin", "Hangul", "Hiragana", "Katakana")
_OTHER = "Other"
_SCRIPT_OF_LETTER = {script: regex.compile(rf"\p{{{script}}}") for script in _SCRIPTS}
_WORDS = regex.compile(r"\p{Han}|[[\p{L}\p{M}]--\p{Han}]+", regex.VERSION1)  # Tibetan: syllables
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")

# Where a script belongs to one language of the table, it decides: CLD2 takes short Tibetan for Dzongkha and
# Chinese without particles for Japanese.
_SCRIPT_DECIDES = {"Tibetan": "bo", "Mongolian": "mn", "Han": "zh"}

# Letters that Uyghur writes and Kazakh in Arabic script does not, and the other way round. They decide where CLD2
# names one of the two or Kyrgyz: by itself it knows 92% of Kazakh lines in Arabic script, and calls most of the
# others Kyrgyz.
_ALIKE = frozenset(("kk", "ky", "ug"))
_UYGHUR_LETTERS = frozenset("ئېغخۈھ")
_KAZAKH_LETTERS = frozenset("عحٴ")


def has_identifier() -> bool:
    """Whether ``pycld2`` is installed."""
    return importlib.util.find_spec("pycld2") is not None


def words_by_script(text: str) -> dict[str, list[str]]:
    """The words of ``text`` (Chinese characters, Tibetan syllables) under the script of their first letter."""
    words: dict[str, list[str]] = {}
    for word in _WORDS.findall(normalize(text)):
        script = next((name for name, letter in _SCRIPT_OF_LETTER.items() if letter.match(word)), _OTHER)
        words.setdefault(script, []).append(word)
    return words


def main_script(text: str) -> str:
    """The Unicode name of the script of most words, the first one in a tie; :data:`NONE` without letters."""
    words = words_by_script(text)
    return max(words, key=lambda script: len(words[script]), default=NONE)


def _cld2(text: str) -> str:
    """CLD2's code for ``text``; ``un`` where it does not know."""
    import pycld2

    try:
        _, _, languages = pycld2.detect(text.encode(), isPlainText=True, bestEffort=True)
    except pycld2.error:  # characters CLD2 refuses
        return "un"
    return languages[0][1]


def _by_letters(text: str, code: str) -> str:
    """Kazakh or Uyghur, for a text in Arabic script that CLD2 took for ``code``, one of :data:`_ALIKE`."""
    letters = set(text)
    if letters & _UYGHUR_LETTERS:
        return "ug"
    return "kk" if letters & _KAZAKH_LETTERS or code == "ky" else code


def identify(text: str) -> str:
    """The language of ``text``: an ISO 639 code, ``un`` (unknown) or :data:`NONE` (no letters).

    Only the words of the main script are shown to CLD2, so that product names and formulas in Latin letters
    do not decide.
    """
    words = words_by_script(text)
    script = main_script(text)
    if script == NONE:
        return NONE
    if script in _SCRIPT_DECIDES and not _KANA.search(text):
        return _SCRIPT_DECIDES[script]
    main_words = " ".join(words[script])
    code = plain_code(_cld2(text if script in ("Han", "Hiragana", "Katakana") else main_words))
    return _by_letters(main_words, code) if script == "Arabic" and code in _ALIKE else code


@dataclass(frozen=True)
class LanguageAccuracy:
    """How much of an output is in the language that was asked for.

    Attributes:
        script: percent of the segments whose main script is one of the language's; ``None`` if its scripts
            are not known.
        language: percent identified as the language; ``None`` without ``pycld2``.
        scripts: script -> number of segments.
        languages: identified code -> number of segments; empty without ``pycld2``.
    """

    script: float | None
    language: float | None
    scripts: dict[str, int]
    languages: dict[str, int]


def expected_scripts(code: str) -> tuple[str, ...]:
    """The scripts a text in ``code`` may be in: the subtag's (``kk_arab``), or all of the language's."""
    return language(code).scripts or (("Latin",) if code == "en" else ())


def language_accuracy(texts: Sequence[str], code: str) -> LanguageAccuracy:
    """Count the segments of ``texts`` that are in ``code``; a segment without letters is in no language.

    Raises:
        InputError: there are no segments.
    """
    if not texts:
        raise InputError("no segments to identify the language of")
    scripts = Counter(map(main_script, texts))
    languages = Counter(map(identify, texts)) if has_identifier() else Counter()
    expected = expected_scripts(code)
    return LanguageAccuracy(
        script=100 * sum(scripts[script] for script in expected) / len(texts) if expected else None,
        language=100 * languages[plain_code(code)] / len(texts) if languages else None,
        scripts=dict(scripts.most_common()),
        languages=dict(languages.most_common()),
    )
