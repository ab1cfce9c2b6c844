"""Word alignment without positions: IBM model 1 (Brown et al. 1993) in both directions, symmetrized by agreement.

It needs neither prepared text nor a compiler, and is deterministic. The links within single sentences are not needed,
only the translations of pieces over the whole text.
"""

from dataclasses import dataclass

import numpy as np

from .bitext import EncodedBitext

ITERATIONS = 5  # iterations of expectation maximization in each direction
MAX_CELLS = 10_000_000  # pairs of pieces within one pair of sentences; 40 bytes each


@dataclass
class Links:
    """Expected number of links between pieces of the new and the known language, as arrays of equal length.

    Attributes:
        new: pieces of the new language, int64.
        known: pieces of the known language, int64.
        count: expected number of links, by agreement of both directions, float64.
        pairs: number of sentence pairs used.
    """

    new: np.ndarray
    known: np.ndarray
    count: np.ndarray
    pairs: int


@dataclass
class _Side:
    """The distinct pieces of every sentence of one language: sentence, piece, and number of occurrences."""

    sentence: np.ndarray
    piece: np.ndarray
    times: np.ndarray

    @classmethod
    def of(cls, sentences: list[np.ndarray], pieces: int) -> "_Side":
        numbers = np.repeat(np.arange(len(sentences)), [len(sentence) for sentence in sentences])
        tokens = np.concatenate(sentences).astype(np.int64)
        key, times = np.unique(numbers * pieces + tokens, return_counts=True)
        return cls(key // pieces, key % pieces, times.astype(np.float64))


def align(bitext: EncodedBitext, pieces: int, seed: int) -> Links:
    """Align a parallel text.

    Args:
        bitext: sentences of the parallel text, as ids below ``pieces``.
        pieces: size of the vocabulary.
        seed: random seed for the sample that a text with more than :data:`MAX_CELLS` cells is reduced to.
    """
    chosen = _within_memory(bitext, seed)
    new = _Side.of([bitext.new[i] for i in chosen], pieces)
    known = _Side.of([bitext.known[i] for i in chosen], pieces)
    of_new, of_known = _cells(new.sentence, known.sentence, len(chosen))
    # The key of a cell identifies its two pieces.
    keys, pair = np.unique(new.piece[of_new] * pieces + known.piece[of_known], return_inverse=True)
    forward = _posterior(new, known, of_new, of_known, pair, keys % pieces, pieces)
    backward = _posterior(known, new, of_known, of_new, pair, keys // pieces, pieces)
    # A link counts by the product of its probabilities in both directions (Liang, Taskar and Klein 2006).
    return Links(keys // pieces, keys % pieces, np.bincount(pair, forward * backward), len(chosen))


def _within_memory(bitext: EncodedBitext, seed: int) -> np.ndarray:
    """Indices of the sentence pairs to use, in order: all of them, or a sample that fits in memory."""
    cells = np.array([len(a) * len(b) for a, b in zip(bitext.new, bitext.known, strict=True)])
    order = np.arange(len(cells))
    if cells.sum() > MAX_CELLS:
        order = np.random.default_rng(seed).permutation(order)
        order = np.sort(order[np.cumsum(cells[order]) <= MAX_CELLS])
    return order


def _cells(of_one: np.ndarray, of_other: np.ndarray, sentences: int) -> tuple[np.ndarray, np.ndarray]:
    """All combinations of entries of two sides within the same sentence, as two arrays of indices.

    Args:
        of_one: number of the sentence of each entry of one side, sorted.
        of_other: the same for the other side.
        sentences: number of sentences.
    """
    sizes = np.bincount(of_other, minlength=sentences)
    starts = np.cumsum(sizes) - sizes
    repeats = sizes[of_one]
    one = np.repeat(np.arange(len(of_one), dtype=np.int32), repeats)
    within = np.arange(len(one)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    return one, (np.repeat(starts[of_one], repeats) + within).astype(np.int32)


def _posterior(
    of: _Side,
    given: _Side,
    of_cell: np.ndarray,
    given_cell: np.ndarray,
    pair: np.ndarray,
    given_piece: np.ndarray,
    pieces: int,
) -> np.ndarray:
    """IBM model 1: for each cell, the probability that a token of its ``of`` piece comes from its ``given`` piece.

    Every token comes from one token of the other sentence, or from none (the null word). Equal tokens of a sentence are
    one entry with a count, which gives the same result.

    Args:
        of: the side to explain.
        given: the side that explains it.
        of_cell: entry of ``of`` for each cell.
        given_cell: entry of ``given`` for each cell.
        pair: index of the pair of pieces of each cell.
        given_piece: the ``given`` piece of each pair.
        pieces: size of the vocabulary.

    Returns:
        float64, shape (cells,).
    """
    table = np.ones(len(given_piece))
    null = np.ones(pieces)
    for _ in range(ITERATIONS):
        weight, none = table[pair] * given.times[given_cell], null[of.piece]
        total = np.bincount(of_cell, weight, len(of.piece)) + none
        weight *= (of.times / total)[of_cell]
        count = np.bincount(pair, weight)
        table = count / np.bincount(given_piece, count)[given_piece]
        alone = np.bincount(of.piece, none * of.times / total, pieces)
        null = alone / alone.sum()
    weight = table[pair] * given.times[given_cell]
    return weight / (np.bincount(of_cell, weight, len(of.piece)) + null[of.piece])[of_cell]
