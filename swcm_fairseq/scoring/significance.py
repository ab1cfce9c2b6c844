"""Significance of scores: bootstrap intervals (Koehn 2004) and paired approximate randomization (Riezler & Maxwell
2005), for every metric with sacreBLEU's interface.
"""

import os
from collections.abc import Sequence

import numpy as np
from sacrebleu.metrics.base import Metric, Score

from swcm_fairseq.scoring.metric_statistics import Statistics, corpus_score, score_of_sums
from swcm_fairseq.scoring.rouge import Rouge

_CHUNK = 250  # trials at a time; limits memory to _CHUNK x segments numbers


def seed() -> int:
    """The seed of the trials: sacreBLEU's, so one environment variable (``SACREBLEU_SEED``) sets both."""
    return int(os.environ.get("SACREBLEU_SEED", "12345"))


def score_with_interval(metric: Metric, stats: Statistics, n_bootstrap: int) -> Score:
    """The corpus score, with a bootstrap 95% interval if ``n_bootstrap`` > 1.

    The resamples are the same as in sacreBLEU's bootstrap, but are summed in double precision: sacreBLEU mixes
    ``float`` and ``float32``, fails if a resampled score is 0, and copies every statistic ``n_bootstrap`` times. For
    ROUGE, the segments are sorted first because fairseq-generate scores them in another order than the file, and the
    interval must not depend on the order.

    Args:
        metric: turns summed statistics into a score; records the number of resamples and the seed for its signature.
        stats: statistics of each segment, [segments, numbers], as ``metric`` extracts them.
        n_bootstrap: number of resamples.

    Returns:
        The metric's own type of sacreBLEU ``Score``.
    """
    score = corpus_score(metric, stats)
    if n_bootstrap > 1:
        table = np.asarray(sorted(stats) if isinstance(metric, Rouge) else stats, dtype=float)
        samples = np.random.default_rng(seed()).choice(len(table), size=(n_bootstrap, len(table)), replace=True)
        sums = (np.bincount(sample, minlength=len(table)) @ table for sample in samples)
        score.estimate_ci([score_of_sums(metric, total.tolist()) for total in sums])
        metric.n_bootstrap, metric.seed = n_bootstrap, seed()
    return score


def _score_differences(metric: Metric, swaps: np.ndarray, stats: np.ndarray, others: np.ndarray) -> list[float]:
    """Absolute difference of the two corpus scores for each row of ``swaps`` [trials, segments]."""
    keep = 1.0 - swaps
    ones, twos = keep @ stats + swaps @ others, swaps @ stats + keep @ others
    scores = ([score_of_sums(metric, row.tolist()).score for row in rows] for rows in (ones, twos))
    return [abs(one - two) for one, two in zip(*scores, strict=True)]


def approximate_randomization(
    metric: Metric, baseline: Sequence[Sequence[float]], system: Sequence[Sequence[float]], trials: int = 10_000
) -> float:
    """Two-sided p-value of the difference between the corpus scores of two systems.

    Each trial swaps the outputs of each segment with probability 1/2. p is the share of trials, including the real
    outcome, whose difference is at least the real one. sacreBLEU's own test counts only greater differences, so it
    reports that identical outputs differ (p = 0.0001), and likewise any two outputs that differ in few segments.

    Args:
        metric: turns summed statistics into a score.
        baseline: statistics of each segment, [segments, numbers], as ``metric`` extracts them.
        system: statistics of the other system, of the same shape.
        trials: number of random swaps.
    """
    random = np.random.default_rng(seed())
    stats, others = np.asarray(baseline, dtype=float), np.asarray(system, dtype=float)
    (real,) = _score_differences(metric, np.zeros((1, len(stats))), stats, others)
    at_least = 0
    for start in range(0, trials, _CHUNK):
        swaps = random.integers(2, size=(min(_CHUNK, trials - start), len(stats))).astype(float)
        differences = _score_differences(metric, swaps, stats, others)
        at_least += sum(difference >= real - 1e-9 for difference in differences)
    return (at_least + 1) / (trials + 1)
