"""Traditional Mongolian: one spelling for the words that look the same.

Unicode codes the script by sound, and people type what looks right: o and u, t and d and others share shapes, and
variation selectors give a letter the shape of another one. So the same visible word is coded in many ways. Two codings
are one word here if UTN #57 (https://www.unicode.org/notes/tn57/) gives them one shape, which mongol-norm computes.
The spelling that is written is the most frequent one in given text: the library's own normal form is coded by shape,
and no encoder has seen it. Different words that look the same become one, too.
"""

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

import regex

from swcm_fairseq.errors import InputError

from ..steps.ledger import WORDS
from .text_files import open_lines

RESPELLED = "spelled as most often"
UNKNOWN = "with letters of Todo, Manchu or other systems, which stay"

# Letters with what shapes them: variation selectors, the vowel separator, the narrow space before suffixes, joiners.
_WORD = regex.compile(r"[\u1820-\u18AA][\u1820-\u18AA\u180A-\u180F\u202F\u200D]*")
_OTHER_LETTER = regex.compile(r"[\u1843-\u18AA]")


class MongolianSpellings:
    """Spells words of traditional Mongolian as most often in given text.

    Args:
        spellings: shape -> the spelling to write.
    """

    def __init__(self, spellings: dict[str, str]):
        self.spellings = spellings

    def __call__(self, text: str, words: Counter[str]) -> str:
        """The text respelled; adds to ``words``: all words, those that were changed and those without a shape."""
        return _WORD.sub(lambda found: self._spelled(found[0], words), text)

    def _spelled(self, word: str, words: Counter[str]) -> str:
        words[WORDS] += 1
        shape = _shape(word)
        if shape is None:
            words[UNKNOWN] += 1
            return word
        spelling = self.spellings.get(shape, word)
        words[RESPELLED] += spelling != word
        return spelling


def learn_spellings(paths: Iterable[Path], encoding: str) -> MongolianSpellings:
    """Count the spellings in text files.

    Of two that are equally frequent, the one whose letters come first in Unicode is written. Memory: about 300 bytes
    for each different word.

    Raises:
        InputError: mongol-norm is missing, or a file cannot be read.
    """
    _shaper()
    counts: Counter[str] = Counter()
    for path in paths:
        for line in open_lines(path, encoding=encoding):
            counts.update(_WORD.findall(line))
    spellings: dict[str, str] = {}
    for word, _ in sorted(counts.items(), key=lambda each: (-each[1], each[0])):
        shape = _shape(word)
        if shape is not None:
            spellings.setdefault(shape, word)
    return MongolianSpellings(spellings)


@lru_cache(1)
def _shaper() -> Any:
    try:
        from mongol_norm import MongolianShaper
    except ImportError as error:
        raise InputError("--mongolian-spellings needs one more library: pip install mongol-norm") from error
    return MongolianShaper(locale="MNG")


@lru_cache(1 << 18)
def _shape(word: str) -> str | None:
    """What a word looks like; None for letters that are not those of Mongolian proper."""
    return None if _OTHER_LETTER.search(word) else _shaper().shape_str(word)
