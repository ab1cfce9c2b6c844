"""mBART's noise (Liu et al. 2020, section 2.2) as pure functions on numpy arrays.

Texts consist only of the ids of their pieces; ``<s> <xx>`` and ``</s>`` are added afterwards, so noise cannot change
them. Every function takes the ``numpy.random.Generator`` that it draws from; none reads or changes global state.
"""

from dataclasses import dataclass
from enum import Enum

import numpy as np

from swcm_fairseq.errors import InputError

# The units of masking, under fairseq's names.
MaskLength = Enum("MaskLength", {"subword": "subword", "word": "word", "span-poisson": "span-poisson"})
SPAN_POISSON = MaskLength["span-poisson"]

_PIECES_PER_WORD = 1.4  # chosen so that `expected` fits: default noise leaves 0.72 of a text on average (sd 0.08)
_BURN_IN = 24  # words before the window of `span_lengths`, so that the start of the span sequence has no effect


@dataclass(frozen=True)
class Noise:
    """The noise options, under fairseq's names.

    Attributes:
        mask: share of words to mask, 0 to 1.
        mask_length: ``subword``, ``word`` or ``span-poisson``.
        poisson_lambda: mean length of a span, in words.
        replace_length: 1 for one mask per span; 0 for none (deletion); -1 for one mask per token of a span.
        mask_random: share of masks that become a random piece instead, 0 to 1.
        insert: number of masks to insert, as a share of the tokens, 0 to 1.
        rotate: probability of rotating the text by a random offset.
        permute_sentences: share of sentences to permute, 0 to 1.
    """

    mask: float = 0.35
    mask_length: MaskLength = SPAN_POISSON
    poisson_lambda: float = 3.5
    replace_length: int = 1
    mask_random: float = 0.0
    insert: float = 0.0
    rotate: float = 0.0
    permute_sentences: float = 1.0

    def __post_init__(self):
        for name in ("mask", "mask_random", "insert", "rotate", "permute_sentences"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"--{name.replace('_', '-')} {getattr(self, name)}: give a share from 0 to 1")
        if self.replace_length not in (-1, 0, 1):
            raise InputError(f"--replace-length {self.replace_length}: choose -1, 0 or 1")
        if not 0.1 <= self.poisson_lambda <= 1000:  # also rejects nan
            raise InputError(f"--poisson-lambda {self.poisson_lambda}: give a mean span length from 0.1 to 1000 words")

    def longest(self, length: np.ndarray) -> np.ndarray:
        """The maximum number of tokens after noise for texts of ``length`` tokens; int64, shape of ``length``.

        Only ``--insert`` and, with ``--replace-length -1``, zero-length spans make texts longer. Zero-length spans use
        the room that the other spans free, or one token in sixteen if masks are as long as the text they replace.
        """
        room = 1 + length // 16 if self.replace_length == -1 else 0
        return length + np.ceil(self.insert * length).astype(np.int64) + room

    def expected(self, length: np.ndarray) -> np.ndarray:
        """The approximate number of tokens after noise for texts of ``length`` tokens; float64, shape of ``length``."""
        words = {MaskLength.subword: 1.0, MaskLength.word: _PIECES_PER_WORD}
        hidden = words.get(self.mask_length, self.poisson_lambda * _PIECES_PER_WORD)  # tokens behind one mask
        masks = {-1: 1.0, 0: 0.0, 1: 1 / hidden}[self.replace_length]
        return length * (1 - self.mask + self.mask * masks + self.insert)


@dataclass(frozen=True)
class NoiseIds:
    """The ids that noise inserts: ``mask``, and random pieces in [``first_piece``, ``end_piece``)."""

    mask: int
    first_piece: int
    end_piece: int

    def random(self, size: int, rng: np.random.Generator) -> np.ndarray:
        """Random pieces, never special symbols, language tokens or the mask; int64, shape (size,)."""
        return rng.integers(self.first_piece, self.end_piece, size)


def add_noise(
    tokens: np.ndarray,
    word_starts: np.ndarray,
    sentence_starts: np.ndarray,
    noise: Noise,
    ids: NoiseIds,
    max_length: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Add noise to one text: sentence permutation, masking, insertion and rotation, in this order.

    Args:
        tokens: ids of the text without ``<s> <xx>`` and ``</s>``, int64, shape (n,).
        word_starts: True where a word begins, bool, shape (n,).
        sentence_starts: True where a sentence begins, bool, shape (n,).
        noise: the noise options.
        ids: the id of the mask and the range of the pieces.
        max_length: maximum number of tokens to return; at least n.
        rng: source of all randomness.

    Returns:
        The noised ids, int64, at most ``max_length`` of them.
    """
    if not len(tokens):
        return tokens
    bound = min(max_length, int(noise.longest(np.asarray(len(tokens)))))
    if noise.permute_sentences > 0:
        order = permute_sentences(sentence_starts, noise.permute_sentences, rng)
        tokens, word_starts = tokens[order], (word_starts | sentence_starts)[order]
    if noise.mask > 0:
        starts = np.arange(len(tokens)) if noise.mask_length is MaskLength.subword else np.flatnonzero(word_starts)
        inserted = int(np.ceil(noise.insert * len(tokens)))
        tokens = mask_spans(tokens, starts, noise, ids, bound - inserted, rng)
    if noise.insert > 0:
        number = min(int(np.ceil(noise.insert * len(tokens))), bound - len(tokens))
        tokens = insert_masks(tokens, rng.integers(0, len(tokens) + 1, number), noise.mask_random, ids, rng)
    if noise.rotate > 0 and rng.random() < noise.rotate and len(tokens) > 1:
        tokens = np.roll(tokens, -int(rng.integers(1, len(tokens))))
    return tokens


def permute_sentences(sentence_starts: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """The token order after permuting ``share`` of the sentences (rounded up); int64, shape (n,)."""
    starts = np.flatnonzero(sentence_starts)
    number = int(np.ceil(len(starts) * share))
    if number < 2:
        return np.arange(len(sentence_starts))
    moved = rng.permutation(len(starts))[:number]
    order = np.arange(len(starts))
    order[np.sort(moved)] = moved
    ends = np.append(starts[1:], len(sentence_starts))
    lengths = (ends - starts)[order]
    # Token j of the k-th sentence in the new order is at that sentence's old start plus j.
    offsets = starts[order] - np.concatenate(([0], np.cumsum(lengths)[:-1]))
    return np.repeat(offsets, lengths) + np.arange(len(sentence_starts))


def span_lengths(words: int, share: float, mean: float, rng: np.random.Generator) -> np.ndarray:
    """Lengths of the spans to mask, drawn from Poisson(``mean``), ``share`` of the ``words`` in total; int64, (k,).

    A window of ``share * words`` words is laid over an endless sequence of spans. A span across an edge of the window
    is taken whole, with a probability equal to the share of it that is inside. So the masked share is right on average
    for texts of any length, and spans are not cut to fit, which would make them shorter than Poisson spans. In very
    short texts, a span is at most as long as the text, and if whole spans do not fit, only their parts inside the
    window are taken.
    """
    budget = int(share * words + rng.random())
    if budget == 0:
        return np.zeros(0, dtype=np.int64)
    end = _BURN_IN + budget
    lengths = np.zeros(0, dtype=np.int64)
    while lengths.sum() < end:
        more = np.minimum(rng.poisson(mean, int(1.3 * end / mean) + 8), words)
        lengths = np.concatenate((lengths, more)) if len(lengths) else more
    ends = np.cumsum(lengths)
    starts = ends - lengths
    inside = np.minimum(ends, end) - np.maximum(starts, _BURN_IN)
    taken = inside > rng.random(len(lengths)) * lengths
    taken |= (lengths == 0) & (starts >= _BURN_IN) & (starts < end)
    if lengths[taken].sum() > words:
        return inside[inside > 0]
    return lengths[taken]


def place_spans(lengths: np.ndarray, words: int, rng: np.random.Generator) -> np.ndarray:
    """First word of each span, ascending, without overlap; all arrangements are equally likely; int64, shape (k,).

    A span of length zero is placed before its word, or after the last word.
    """
    free = words - int(lengths.sum())
    slots = np.sort(rng.permutation(free + len(lengths))[: len(lengths)])
    before = np.cumsum(lengths) - lengths
    return slots - np.arange(len(lengths)) + before


def mask_spans(
    tokens: np.ndarray,
    word_starts: np.ndarray,
    noise: Noise,
    ids: NoiseIds,
    max_length: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """Mask ``noise.mask`` of the words in spans.

    Args:
        tokens: int64, shape (n,).
        word_starts: index of each word's first token, ascending from 0, int64, shape (words,).
        noise: see :class:`Noise`.
        ids: see :class:`NoiseIds`.
        max_length: maximum length of the result, at least n; zero-length spans are dropped until the result fits.
        rng: source of all randomness.
    """
    words = len(word_starts)
    if noise.mask_length is SPAN_POISSON:
        lengths = span_lengths(words, noise.mask, noise.poisson_lambda, rng)
    else:
        lengths = np.ones(int(noise.mask * words + rng.random()), dtype=np.int64)
    if not len(lengths):
        return tokens
    first = place_spans(lengths, words, rng)
    bounds = np.append(word_starts, len(tokens))
    begin, end = bounds[first], bounds[first + lengths]
    edges = np.zeros(len(tokens) + 1, dtype=np.int64)
    np.add.at(edges, begin, 1)
    np.add.at(edges, end, -1)
    masked = np.cumsum(edges)[:-1] > 0

    empty = lengths == 0
    number = len(lengths) if noise.replace_length == 1 else int(empty.sum())
    remaining = len(tokens) if noise.replace_length == -1 else len(tokens) - int(masked.sum())
    too_many = remaining + number - max_length
    if too_many > 0:
        keep = np.ones(len(lengths), dtype=bool)
        keep[rng.permutation(np.flatnonzero(empty))[:too_many]] = False
        begin, empty = begin[keep], empty[keep]
    if noise.replace_length == -1:
        tokens = tokens.copy()
        tokens[masked] = _masks(int(masked.sum()), noise.mask_random, ids, rng)
        return insert_masks(tokens, begin[empty], noise.mask_random, ids, rng)
    positions = begin if noise.replace_length == 1 else begin[empty]
    # Place each mask before the first token that remains at or after the start of its span.
    left_before = np.concatenate(([0], np.cumsum(~masked)))
    return insert_masks(tokens[~masked], left_before[positions], noise.mask_random, ids, rng)


def insert_masks(
    tokens: np.ndarray, positions: np.ndarray, random_share: float, ids: NoiseIds, rng: np.random.Generator
) -> np.ndarray:
    """Insert a mask (or, for ``random_share`` of them, a random piece) before each of ``positions``, int64, (k,)."""
    if not len(positions):
        return tokens
    result = np.empty(len(tokens) + len(positions), dtype=tokens.dtype)
    slots = np.sort(positions) + np.arange(len(positions))
    is_text = np.ones(len(result), dtype=bool)
    is_text[slots] = False
    result[is_text] = tokens
    result[slots] = _masks(len(slots), random_share, ids, rng)
    return result


def _masks(number: int, random_share: float, ids: NoiseIds, rng: np.random.Generator) -> np.ndarray:
    """``number`` masks, of which about ``random_share`` are random pieces; int64, shape (number,)."""
    masks = np.full(number, ids.mask, dtype=np.int64)
    if random_share > 0:
        random = rng.random(number) < random_share
        masks[random] = ids.random(int(random.sum()), rng)
    return masks
