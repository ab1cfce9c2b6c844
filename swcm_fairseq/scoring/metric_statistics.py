"""Scores of sacreBLEU metrics from sums over segments.

This is the only module that uses private members of these metrics and scores from outside; our own metrics
(:mod:`~swcm_fairseq.scoring.rouge`, :mod:`~swcm_fairseq.scoring.label_metrics`) override some of them.

The public interface scores a corpus from its texts. Bootstrap intervals and paired tests need the scores of thousands
of resamples, each of which is a sum of per-segment statistics. Extracting these once takes seconds; scoring every
resample from its texts would take hours. Every subclass of ``Metric`` implements the private methods used here.
"""

from collections.abc import Sequence

from sacrebleu.metrics.base import Metric, Score

Statistics = list[list[float]]  # [segments, numbers]


def segment_statistics(metric: Metric, hypotheses: Sequence[str], references: Sequence[Sequence[str]]) -> Statistics:
    """The statistics of each segment, whose sum over a corpus determines its score.

    Args:
        metric: the metric; it records the number of references for its signature.
        hypotheses: one per segment.
        references: one or more sequences, each with one reference per segment.
    """
    return metric._extract_corpus_statistics(hypotheses, references)


def corpus_score(metric: Metric, statistics: Statistics) -> Score:
    """The score of a corpus that consists of these segments, as the metric's own type."""
    return metric._aggregate_and_compute(statistics)


def score_of_sums(metric: Metric, sums: list[float]) -> Score:
    """The score of a corpus, given the sums of the statistics over its segments."""
    return metric._compute_score_from_stats(sums)


def half_width(score: Score) -> float | None:
    """Half the width of a score's bootstrap interval; None if it has none."""
    return score._ci if score._ci >= 0 else None
