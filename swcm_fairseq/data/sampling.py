"""Which corpus each sample of an epoch comes from, and which of its samples.

Everything is a function of (seed, epoch) and the corpora's sizes: nothing has to be saved to resume.
"""

import enum
from collections.abc import Sequence

import numpy as np

from swcm_fairseq.errors import InputError


class Purpose(enum.IntEnum):
    """Keeps the streams of random numbers apart that come from one seed."""

    ORDER = 1  # of the corpora within an epoch
    WALK = 2  # through one corpus
    NOISE = 3  # of one sample
    BATCHES = 4  # which samples share a batch
    VALID_NOISE = 5  # of one sample of a validation set
    SUBSET = 6  # of the documents of a corpus, when only some are used


def generator(*key: int) -> np.random.Generator:
    """A generator that is a function of ``key`` alone, e.g. (seed, purpose, epoch, sample)."""
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))


def probabilities(
    quantities: Sequence[float],
    alpha: float,
    is_translation: Sequence[bool],
    translation_share: float | None = None,
) -> np.ndarray:
    """p_i = q_i^alpha / sum_j q_j^alpha (Conneau et al. 2020, section 3.1); float64, shape (corpora,).

    Args:
        quantities: q, samples or tokens of each corpus, each above 0.
        alpha: above 0 and up to 1; 1 is in proportion, towards 0 all corpora are drawn alike.
        is_translation: whether each corpus is translation (or another pair task) rather than denoising.
        translation_share: if given, translation together gets this probability and denoising the rest.

    Raises:
        InputError: ``alpha`` or ``translation_share`` out of range, or no corpus for a share above 0.
    """
    if not 0 < alpha <= 1:
        raise InputError(f"--sampling-alpha {alpha}: give a number above 0 and up to 1 (the paper's is 0.3)")
    weights = np.asarray(quantities, dtype=np.float64) ** alpha
    p = weights / weights.sum()
    if translation_share is None:
        return p
    if not 0 <= translation_share <= 1:
        raise InputError(f"--translation-share {translation_share}: give a share from 0 to 1")
    pairs = np.asarray(is_translation, dtype=bool)
    for share, chosen, what in ((translation_share, pairs, "pairs"), (1 - translation_share, ~pairs, "monolingual")):
        if share > 0 and not chosen.any():
            raise InputError(f"--translation-share {translation_share}: there are no {what} corpora to take the share")
        if chosen.any():
            p[chosen] *= share / p[chosen].sum()
    return p


def quotas(p: np.ndarray, total: int) -> np.ndarray:
    """How many of ``total`` samples each corpus gives: p * total by largest remainder; int64, sums to ``total``.

    A corpus with p > 0 gives at least one sample where ``total`` allows.
    """
    counts = np.floor(p * total).astype(np.int64)
    remainder = p * total - counts
    counts[np.argsort(-remainder, kind="stable")[: total - int(counts.sum())]] += 1
    for k in np.flatnonzero((p > 0) & (counts == 0)):
        largest = int(np.argmax(counts))
        if counts[largest] > 1:
            counts[[largest, k]] += (-1, 1)
    return counts


def walk(length: int, first: int, number: int, seed: int, corpus: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Places ``first`` to ``first + number`` on an endless walk through a corpus of ``length`` samples; int64.

    The walk goes round and round, ``length`` places each time: every sample once, in another order each round. So no
    sample comes again before all others have come, across epochs too. With ``weights``, float64, shape (length,), a
    round has every sample in proportion to its weight, up to the next whole number above or below.
    """
    rounds = range(first // length, -(-(first + number) // length))
    if not rounds:
        return np.zeros(0, dtype=np.int64)
    order = np.concatenate([_round(length, generator(seed, Purpose.WALK, corpus, turn), weights) for turn in rounds])
    start = first - rounds[0] * length
    return order[start : start + number]


def _round(length: int, rng: np.random.Generator, weights: np.ndarray | None) -> np.ndarray:
    """One round of :func:`walk`; int64, shape (length,)."""
    order = rng.permutation(length)
    if weights is None:
        return order
    # Systematic sampling: equally spaced points over the samples' weights laid end to end, in random order.
    ends = np.cumsum(weights[order])
    points = (np.arange(length) + rng.random()) * (ends[-1] / length)
    drawn = order[np.minimum(np.searchsorted(ends, points, side="right"), length - 1)]
    return drawn[rng.permutation(length)]


def plan_epoch(
    lengths: Sequence[int],
    counts: np.ndarray,
    seed: int,
    epoch: int,
    earlier: int,
    weights: Sequence[np.ndarray | None] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """What sample i of an epoch is: its corpus (int32) and its index there (int64); shapes (counts.sum(),).

    Args:
        lengths: samples of each corpus.
        counts: how many samples of each the epoch has (see :func:`quotas`).
        seed: of the run.
        epoch: from 1.
        earlier: how many epochs had these corpora before (differs from epoch - 1 for sharded data).
        weights: of each corpus's samples, see :func:`walk`.
    """
    corpus_of = np.repeat(np.arange(len(lengths), dtype=np.int32), counts)
    index_of = np.concatenate(
        [
            walk(length, earlier * int(count), int(count), seed, corpus, weight)
            for corpus, (length, count, weight) in enumerate(
                zip(lengths, counts, weights or [None] * len(lengths), strict=True)
            )
        ]
    )
    order = generator(seed, Purpose.ORDER, epoch).permutation(len(corpus_of))
    return corpus_of[order], index_of[order]
