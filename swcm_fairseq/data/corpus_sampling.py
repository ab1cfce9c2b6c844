"""Decide, for each sample of an epoch, which sample of which corpus it is.

Everything is a function of (seed, epoch) and the corpus sizes, so resuming needs no saved state.
"""

import enum
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from swcm_fairseq.errors import InputError


class Purpose(enum.IntEnum):
    """Separates the random number streams that share a seed."""

    ORDER = 1  # order of the samples within an epoch
    WALK = 2  # order of the samples of one corpus
    NOISE = 3  # noise of one training sample
    BATCHES = 4  # which samples share a batch
    VALID_NOISE = 5  # noise of one validation sample
    SUBSET = 6  # which documents of a corpus are used, if not all are


def generator(*key: int) -> np.random.Generator:
    """A generator that depends only on ``key``, e.g. (seed, purpose, epoch, sample)."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


class SamplingBy(enum.Enum):
    """The unit to which the temperature applies."""

    language = "language"
    corpus = "corpus"


@dataclass(frozen=True)
class Temperature:
    """How often each corpus is drawn: p_i = (q_i^alpha / l_i^beta) / sum_j (q_j^alpha / l_j^beta).

    With beta 0 this is equation 1, otherwise equation 2, of CINO (Yang et al. 2022, section 3.2.1).

    Attributes:
        alpha: above 0 and up to 1. With 1, p is proportional to q; toward 0, p becomes uniform.
        beta: 0 to 1. With 1 - alpha, the number of tokens drawn from i is proportional to (tokens of i)^alpha.
        by: whether i is a language (its corpora are drawn in proportion to q) or a corpus.
        by_tokens: whether q counts tokens instead of samples.

    Raises:
        InputError: ``alpha`` or ``beta`` out of range.
    """

    alpha: float = 0.3
    beta: float = 0.0
    by: SamplingBy = SamplingBy.language
    by_tokens: bool = False

    def __post_init__(self):
        if not 0 < self.alpha <= 1:
            raise InputError(f"--sampling-alpha {self.alpha}: give a number above 0 and up to 1 (the paper's is 0.3)")
        if not 0 <= self.beta <= 1:
            raise InputError(f"--sampling-beta {self.beta}: give a number from 0 to 1 (CINO's is 1 - alpha)")

    def quantities(self, samples: Sequence[float], tokens: Sequence[float]) -> np.ndarray:
        """q of each corpus, float64, shape (corpora,); at least 1."""
        return np.maximum(np.asarray(tokens if self.by_tokens else samples, dtype=np.float64), 1)

    def probabilities(self, samples: Sequence[float], tokens: Sequence[float], languages: Sequence[str]) -> np.ndarray:
        """p of each corpus, float64, shape (corpora,).

        Args:
            samples: samples per corpus, at least one each; l is the mean number of tokens per sample.
            tokens: tokens per corpus.
            languages: the language of each corpus.
        """
        quantities = self.quantities(samples, tokens)
        names = languages if self.by is SamplingBy.language else range(len(quantities))
        unit = np.unique(np.asarray(names), return_inverse=True)[1]
        q, n, c = (np.bincount(unit, values) for values in (quantities, samples, np.maximum(tokens, 1)))
        weights = q**self.alpha / (c / n) ** self.beta
        return (weights / weights.sum() / q)[unit] * quantities


def with_share(p: np.ndarray, chosen: Sequence[bool], share: float, flag: str, names: tuple[str, str]) -> np.ndarray:
    """Rescale ``p`` so that the chosen corpora together have the probability ``share``; float64, shape (corpora,).

    Args:
        p: probability of each corpus.
        chosen: whether each corpus is among those that get ``share``; the others get the rest.
        share: 0 to 1.
        flag: the flag that sets the share, for messages.
        names: names of the chosen corpora and of the others in messages.

    Raises:
        InputError: ``share`` is out of range, or no corpus can take a share above 0.
    """
    if not 0 <= share <= 1:
        raise InputError(f"{flag} {share}: give a share from 0 to 1")
    p, inside = p.copy(), np.asarray(chosen, dtype=bool)
    for part, members, name in ((share, inside, names[0]), (1 - share, ~inside, names[1])):
        if part > 0 and not members.any():
            raise InputError(f"{flag} {share}: there are no {name} corpora to take the share")
        if members.any():
            p[members] *= part / p[members].sum()
    return p


def quotas(p: np.ndarray, total: int) -> np.ndarray:
    """Samples to draw from each corpus: p * total by largest remainder; int64, shape (corpora,), sums to ``total``.

    A corpus with p > 0 gets at least one sample if ``total`` allows.
    """
    counts = np.floor(p * total).astype(np.int64)
    remainder = p * total - counts
    counts[np.argsort(-remainder, kind="stable")[: total - int(counts.sum())]] += 1
    for k in np.flatnonzero((p > 0) & (counts == 0)):
        largest = int(np.argmax(counts))
        if counts[largest] > 1:
            counts[[largest, k]] += (-1, 1)
    return counts


def walk(length: int, first: int, number: int, seed: int, corpus: int) -> np.ndarray:
    """Steps ``first`` to ``first + number`` of an endless walk through a corpus of ``length`` samples; int64.

    Each round visits every sample once, in a new order. So no sample is repeated before all others have been visited,
    even across epochs.
    """
    rounds = range(first // length, -(-(first + number) // length))
    if not rounds:
        return np.zeros(0, dtype=np.int64)
    order = np.concatenate([generator(seed, Purpose.WALK, corpus, turn).permutation(length) for turn in rounds])
    start = first - rounds[0] * length
    return order[start : start + number]


def plan_epoch(
    lengths: Sequence[int], counts: np.ndarray, seed: int, epoch: int, earlier: int
) -> tuple[np.ndarray, np.ndarray]:
    """The corpus of each sample of an epoch (int32) and its index there (int64); shapes (counts.sum(),).

    Args:
        lengths: samples per corpus.
        counts: samples that the epoch draws from each corpus (see :func:`quotas`).
        seed: the seed of the run.
        epoch: counted from 1.
        earlier: number of earlier epochs with these corpora (not epoch - 1 if the data is sharded).
    """
    corpus_of = np.repeat(np.arange(len(lengths), dtype=np.int32), counts)
    index_of = np.concatenate(
        [
            walk(length, earlier * int(count), int(count), seed, corpus)
            for corpus, (length, count) in enumerate(zip(lengths, counts, strict=True))
        ]
    )
    order = generator(seed, Purpose.ORDER, epoch).permutation(len(corpus_of))
    return corpus_of[order], index_of[order]
