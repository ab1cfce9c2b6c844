"""Traditional Mongolian: one spelling for words that look the same.

Unicode encodes the script by sound, but people type what looks right: o and u, t and d and other pairs share shapes,
and variation selectors give a letter the shape of another one. The same visible word is therefore encoded in many
ways. Two spellings count as the same word if UTN #57 (https://www.unicode.org/notes/tn57/) gives them the same shape,
which mongol-norm computes. Each word is written in the spelling that is most frequent in a reference text, because the
library's own normal form encodes shapes and no encoder was trained on it. Different words that look the same are
also merged.
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

RESPELLED = "changed to the most frequent spelling"
UNKNOWN = "with letters of Todo, Manchu or other systems, left unchanged"

# Letters and what shapes them: variation selectors, the vowel separator, the narrow space before suffixes, joiners.
_WORD = regex.compile(r"[\u1820-\u18AA][\u1820-\u18AA\u180A-\u180F\u202F\u200D]*")
_OTHER_LETTER = regex.compile(r"[\u1843-\u18AA]")


class MongolianSpellings:
    """Writes words of traditional Mongolian in their most frequent spelling.

    Args:
        spellings: shape -> spelling to write.
    """

    def __init__(self, spellings: dict[str, str]):
        self.spellings = spellings

    def __call__(self, text: str, words: Counter[str]) -> str:
        """The respelled text; adds to ``words`` the number of all words, of changed words and of words left as is."""
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

    Of equally frequent spellings, the first in code point order is used. Memory: about 300 bytes per distinct word.

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
        raise InputError("--mongolian-spellings needs mongol-norm: pip install mongol-norm") from error
    return MongolianShaper(locale="MNG")


@lru_cache(1 << 18)
def _shape(word: str) -> str | None:
    """What a word looks like; None if it contains letters of other writing systems, such as Todo or Manchu."""
    return None if _OTHER_LETTER.search(word) else _shaper().shape_str(word)
