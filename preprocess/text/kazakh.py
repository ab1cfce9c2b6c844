"""Conversion of Kazakh between Cyrillic (Kazakhstan) and Arabic script (China, töte jazu).

The letters follow https://en.wikipedia.org/wiki/Kazakh_alphabets; MediaWiki's converter and MC2's script use the same
ones except for һ. Arabic script has no separate letters for ә, ө, ү and і. A word that contains one begins with a high
hamza (U+0674) unless it contains к, г, е or э, which already mark front vowels, or қ or ғ, which occur only in words
with back vowels.

In the other direction, the nearest sign before a vowel (or, failing that, the first one after it) decides how it is
read: hamza, к, г and е make it front, қ and ғ back. After the first vowel of a word, а and о stay unchanged, as in
native words. Words of Russian or Arabic origin often break these rules: :data:`OTHER` counts every word that does not
survive the round trip.
"""

from collections import Counter
from functools import lru_cache

import regex

from ..steps.ledger import WORDS

SCRIPTS = ("arabic", "cyrillic")
HAMZA = "\u0674"
# ъ and ь are not written.
_ARABIC = {
    "а": "ا", "ә": "ا", "б": "ب", "в": "ۆ", "г": "گ", "ғ": "ع", "д": "د", "е": "ە", "ё": "يو", "ж": "ج", "з": "ز",
    "и": "ي", "й": "ي", "к": "ك", "қ": "ق", "л": "ل", "м": "م", "н": "ن", "ң": "ڭ", "о": "و", "ө": "و", "п": "پ",
    "р": "ر", "с": "س", "т": "ت", "у": "ۋ", "ұ": "ۇ", "ү": "ۇ", "ф": "ف", "х": "ح", "һ": "ھ", "ц": "تس", "ч": "چ",
    "ш": "ش", "щ": "شش", "ъ": "", "ы": "ى", "і": "ى", "ь": "", "э": "ە", "ю": "يۋ", "я": "يا",
}  # fmt: skip
_SILENT = "ъь"
_FRONT_OF = {"а": "ә", "о": "ө", "ұ": "ү", "ы": "і"}
_VOWELS = "аәеоөұүыіэ"
# Arabic letter -> Cyrillic letter, vowels as back vowels. ي depends on its neighbors.
_CYRILLIC = {
    arabic: letter
    for letter, arabic in _ARABIC.items()
    if len(arabic) == 1 and letter not in "йиэ" and letter not in _FRONT_OF.values()
}
_FRONT_SIGNS, _BACK_SIGNS = HAMZA + "كگە", "قع"
_LOAN_SIGNS = "فۆ"  # letters that occur only in loanwords, whose а and о never become ә and ө
# Equivalent spellings: hamza and vowel as one letter, the Arabic hamza before a word, Persian kaf.
_SAME = str.maketrans(
    {"\u0675": HAMZA + "ا", "\u0676": HAMZA + "و", "\u0677": HAMZA + "ۇ", "\u0678": HAMZA + "ى", "ء": HAMZA, "ک": "ك"}
)

SILENT_LETTERS = "with ъ or ь, which Arabic script does not write"
FOREIGN = "with letters that Kazakh does not have, left unchanged"
OTHER = "not restored by converting them back"

_CYRILLIC_WORD = regex.compile(r"(?=[^\W\d_]*\p{Cyrillic})[\p{L}\p{M}]+")
_ARABIC_WORD = regex.compile(r"(?=[\p{L}\p{M}]*\p{Arabic})[\p{L}\p{M}]+")
# Marks at the end of a phrase; elsewhere (3,5 or ?id=1) they are not punctuation.
_PHRASE_END = r"(?<=[\p{{L}}\p{{M}}\p{{N}}\p{{Pe}}\p{{Pf}}\"])[{}](?=[\s\p{{Pe}}\p{{Pf}}\"]|$)"
_MARKS = {",": "،", ";": "؛", "?": "؟"}
_LATIN_MARK = regex.compile(_PHRASE_END.format(",;?"))
_ARABIC_MARK = regex.compile(r"[،؛؟]")


class KazakhScript:
    """Writes the Kazakh words of a text in one script, and counts the converted words and what they lose.

    Args:
        script: one of :data:`SCRIPTS`. Arabic script has no capital letters, so converted Cyrillic is lower case.
    """

    def __init__(self, script: str):
        self.script = script

    def __call__(self, text: str, words: Counter[str]) -> str:
        """The text in the script; adds to ``words`` the number of converted words, and of those with each loss."""
        if self.script == "arabic":
            text = _CYRILLIC_WORD.sub(lambda found: _counted(*_arabic_word(found[0].lower()), words), text)
            return _LATIN_MARK.sub(lambda found: _MARKS[found[0]], text) if _ARABIC_WORD.search(text) else text
        found = _ARABIC_WORD.search(text)
        text = _ARABIC_WORD.sub(lambda found: _counted(*_cyrillic_word(found[0].translate(_SAME)), words), text)
        return _ARABIC_MARK.sub(lambda found: _LATIN_OF[found[0]], text) if found else text


_LATIN_OF = {arabic: latin for latin, arabic in _MARKS.items()}


def _counted(word: str, losses: tuple[str, ...], words: Counter[str]) -> str:
    words[WORDS] += 1
    for loss in losses:
        words[loss] += 1
    return word


def to_arabic(word: str) -> str:
    """A lower-case Cyrillic word in Arabic script; letters that Kazakh does not have are unchanged."""
    letters = regex.sub("и(?=[яю])", "", word)
    front = any(letter in _FRONT_OF.values() for letter in word) and not any(letter in "кгеэқғ" for letter in word)
    return (HAMZA if front else "") + "".join(_ARABIC.get(letter, letter) for letter in letters)


def to_cyrillic(word: str) -> str:
    """A word in Arabic script as lower-case Cyrillic; letters that Kazakh does not have are unchanged."""
    fronts = _front_places(word)
    word = word.replace(HAMZA, "")
    loan = any(letter in _LOAN_SIGNS for letter in word)
    written, place, vowels = "", 0, 0
    while place < len(word):
        taken, letters = _letters_at(word, place, written)
        if letters in _FRONT_OF and fronts[place] and not (letters in "ао" and (vowels or loan)):
            letters = _FRONT_OF[letters]
        elif letters == "я" and fronts[place] and not written:
            letters = "иә"
        vowels += any(letter in _VOWELS + "июя" for letter in letters)
        written += letters
        place += taken
    return written


def _front_places(word: str) -> list[bool]:
    """For each letter of a word, whether a vowel in its place would be a front vowel."""
    first = next((letter for letter in word if letter in _FRONT_SIGNS + _BACK_SIGNS), "")
    front = first != "" and first in _FRONT_SIGNS
    places = []
    for letter in word:
        front = letter in _FRONT_SIGNS if letter in _FRONT_SIGNS + _BACK_SIGNS else front
        if letter != HAMZA:
            places.append(front)
    return places


def _letters_at(word: str, place: int, written: str) -> tuple[int, str]:
    """The number of letters of ``word`` read at a place, and their Cyrillic form with back vowels."""
    letter, following = word[place], word[place + 1 : place + 2]
    after_vowel = written[-1:] in _VOWELS if written else False
    if letter == "ي" and following and following in "اۋ":
        glide = "я" if following == "ا" else "ю"
        return 2, glide if after_vowel or not written else "и" + glide
    if letter == "ي":
        return 1, "й" if after_vowel else "и"
    if word.startswith("تسي", place):  # тси does not occur in native words
        return 2, "ц"
    if word.startswith("شش", place):
        return 2, "щ"
    return 1, _CYRILLIC.get(letter, letter)


@lru_cache(1 << 18)
def _arabic_word(word: str) -> tuple[str, tuple[str, ...]]:
    """A word in Arabic script, and what the conversion loses."""
    arabic = to_arabic(word)
    losses = [SILENT_LETTERS] if any(letter in _SILENT for letter in word) else []
    if any(letter not in _ARABIC for letter in word):
        losses.append(FOREIGN)
    if to_cyrillic(arabic) != word:
        losses.append(OTHER)
    return arabic, tuple(losses)


@lru_cache(1 << 18)
def _cyrillic_word(word: str) -> tuple[str, tuple[str, ...]]:
    """A word in Cyrillic, and what the conversion loses."""
    cyrillic = to_cyrillic(word)
    losses = [FOREIGN] if any(letter not in _CYRILLIC and letter not in ("ي", HAMZA) for letter in word) else []
    if to_arabic(cyrillic) != word:
        losses.append(OTHER)
    return cyrillic, tuple(losses)
