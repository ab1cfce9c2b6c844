"""Find where words begin and sentences end, by looking up each piece in a table.

There is one table per language and vocabulary, built when data is loaded; lookups are numpy indexing.
"""

from dataclasses import dataclass

import numpy as np
from fairseq.data import Dictionary

from swcm_fairseq.data.languages import CLOSERS, LANGUAGES, WordUnit, language

SPACE = "▁"  # sentencepiece's mark for the space before a piece
_TSHEG_ENDS = "་༌ " + LANGUAGES["bo"].sentence_ends  # a tsheg, a space or a sentence end (shad) ends a syllable
_CLOSERS = CLOSERS + "…"  # an ellipsis can also follow an end


@dataclass(frozen=True)
class PieceTable:
    """Which pieces begin and end words and sentences; every array is bool, shape (dictionary,).

    Attributes:
        starts_word: a word begins with this piece.
        ends_word: the next piece begins a word.
        ends_sentence: the piece contains a sentence end, followed only by sentence ends and closing quotes.
        closes: the piece contains only sentence ends and closing quotes, so it belongs to the preceding sentence.
        spaced: a sentence end must be followed by a space (so "3.14" does not contain one).
    """

    starts_word: np.ndarray
    ends_word: np.ndarray
    ends_sentence: np.ndarray
    closes: np.ndarray
    spaced: bool

    @classmethod
    def build(cls, dictionary: Dictionary, lang: str, word_unit: WordUnit | None = None) -> "PieceTable":
        """Build the table for the symbols of ``dictionary``; ``word_unit`` overrides that of the language."""
        row = language(lang)
        unit = word_unit or row.word_unit
        symbols = dictionary.symbols
        spaces = np.fromiter((s.startswith(SPACE) for s in symbols), bool, len(symbols))
        starts = spaces.copy()
        starts[: dictionary.nspecial] = True
        ends_word = np.zeros(len(symbols), dtype=bool)
        if unit is WordUnit.PIECE or not spaces.any():  # a dictionary of whole words has no space marks
            starts[:] = True
        elif unit is WordUnit.TSHEG:
            ends_word = np.fromiter((s[-1:] in _TSHEG_ENDS for s in symbols), bool, len(symbols))
        ends = np.fromiter((_ends_sentence(s, row.sentence_ends) for s in symbols), bool, len(symbols))
        closes = np.fromiter((_closes(s, row.sentence_ends) for s in symbols), bool, len(symbols))
        ends[: dictionary.nspecial] = closes[: dictionary.nspecial] = False
        return cls(starts, ends_word, ends, closes, row.word_unit is WordUnit.SPACE and bool(spaces.any()))

    def word_starts(self, tokens: np.ndarray) -> np.ndarray:
        """True where a word begins; bool, shape of ``tokens`` (n,). The first token always begins a word."""
        starts = self.starts_word[tokens]
        starts[1:] |= self.ends_word[tokens[:-1]]
        starts[:1] = True
        return starts

    def sentence_starts(self, tokens: np.ndarray) -> np.ndarray:
        """True where a sentence begins; bool, shape of ``tokens`` (n,). The first token always begins a sentence.

        A run of sentence ends and closing quotes ("!”", "། །") ends one sentence, after its last piece.
        """
        starts = np.zeros(len(tokens), dtype=bool)
        starts[:1] = True
        ends = self.ends_sentence[tokens]
        if len(tokens) < 2 or not ends.any():
            return starts
        closes = self.closes[tokens]
        seen = np.cumsum(ends)
        # For each i, the last piece up to i that is not a closing piece.
        anchor = np.maximum.accumulate(np.where(closes, 0, np.arange(len(tokens))))
        ended = seen - seen[anchor] + ends[anchor] > 0
        starts[1:] = ended[:-1] & ~closes[1:]
        if self.spaced:
            starts[1:] &= self.starts_word[tokens[1:]]
        return starts


def _ends_sentence(symbol: str, sentence_ends: str) -> bool:
    """Whether ``symbol`` contains a sentence end, followed only by sentence ends and closing quotes."""
    text = symbol.rstrip(_CLOSERS)
    if not text:  # only closing quotes, and possibly sentence ends that also close ("…")
        return any(char in sentence_ends for char in symbol)
    return text[-1] in sentence_ends


def _closes(symbol: str, sentence_ends: str) -> bool:
    """Whether ``symbol`` contains only sentence ends and closing quotes (a quote after a space is an opening quote)."""
    text = symbol.removeprefix(SPACE)
    allowed = sentence_ends if text != symbol else sentence_ends + _CLOSERS
    return bool(text) and all(char in allowed for char in text)
