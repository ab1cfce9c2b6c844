"""Scores over items and seeds: hierarchical bootstrap, tests between systems, and verdicts on the paper's claims."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from sacrebleu.metrics.base import Metric

from swcm_fairseq.scoring.evaluation import build_metrics
from swcm_fairseq.scoring.language_id import language_accuracy
from swcm_fairseq.scoring.metric_statistics import score_of_sums, segment_statistics
from swcm_fairseq.scoring.significance import approximate_randomization, seed
from swcm_fairseq.scoring.tokenizers import build_tokenizer
from swcm_fairseq.study.study_plan import METRICS, Claim
from swcm_fairseq.study.study_results import RunResult

TRIALS = 1000  # trials of the bootstrap and of the significance tests
SIGNIFICANT = 0.05


@dataclass
class StudyScore:
    """Scores of one system on one test set, over all its seeds.

    Attributes:
        system: name of the system.
        seeds: number of runs.
        score: score in percent, over the outputs of all runs.
        low: lower end of the 95% interval over items and seeds.
        high: upper end of the interval.
        by_seed: score of each run.
        different: mean number of distinct outputs per run.
        language: percentage of outputs in the target language; None if it is unknown.
        stats: the metric's statistics, [seeds, items, numbers].
    """

    system: str
    seeds: int
    score: float
    low: float
    high: float
    by_seed: list[float]
    different: float
    language: float | None
    stats: np.ndarray


def metric_named(name: str, language: str) -> Metric:
    """The metric behind a row of the scoring report, such as ``rougeL F1``."""
    metrics = build_metrics(language, build_tokenizer(language))
    return dict(zip(METRICS, metrics, strict=True))[name]


def resampled(metric: Metric, systems: Sequence[np.ndarray]) -> np.ndarray:
    """Bootstrap scores, [trials, systems], of systems on one test set.

    Each resample draws items, the same for all systems, and seeds, separately for each system, both with replacement.

    Args:
        metric: the metric of the scores.
        systems: the metric's statistics of each system, [seeds, items, numbers].
    """
    random = np.random.default_rng(seed())
    items = systems[0].shape[1]
    scores = np.empty((TRIALS, len(systems)))
    for trial in scores:
        counts = np.bincount(random.integers(items, size=items), minlength=items)
        for i, stats in enumerate(systems):
            rows = stats[random.integers(len(stats), size=len(stats))].sum(axis=0)
            trial[i] = score_of_sums(metric, (counts @ rows).tolist()).score
    return scores


def interval(scores: np.ndarray) -> tuple[float, float]:
    """The middle 95% of bootstrap scores, [trials]."""
    low, high = np.percentile(scores, [2.5, 97.5])
    return float(low), float(high)


def score_system(metric: Metric, runs: Sequence[RunResult], direction: str, references: list[str]) -> StudyScore:
    """Score a system's runs on one test set."""
    language = direction.rpartition("-")[2]
    outputs = [run.outputs[direction] for run in runs]
    stats = np.asarray([segment_statistics(metric, each, [references]) for each in outputs], dtype=float)
    total = score_of_sums(metric, stats.sum(axis=(0, 1)).tolist()).score
    by_seed = [score_of_sums(metric, each.sum(axis=0).tolist()).score for each in stats]
    low, high = interval(resampled(metric, [stats])[:, 0])
    accuracy = [language_accuracy(each, language).language for each in outputs]
    known = [each for each in accuracy if each is not None]
    return StudyScore(
        system=runs[0].system,
        seeds=len(runs),
        score=total,
        low=low,
        high=high,
        by_seed=by_seed,
        different=float(np.mean([len(set(each)) for each in outputs])),
        language=float(np.mean(known)) if known else None,
        stats=stats,
    )


def p_value(metric: Metric, one: StudyScore, other: StudyScore) -> float:
    """p-value of approximate randomization over items; statistics are summed over the seeds that both systems have."""
    seeds = min(one.seeds, other.seeds)
    return approximate_randomization(
        metric, one.stats[:seeds].sum(axis=0), other.stats[:seeds].sum(axis=0), trials=TRIALS
    )


@dataclass(frozen=True)
class Verdict:
    """The study's verdict on a claim.

    Attributes:
        word: ``confirmed`` or ``contradicted`` if the difference is significant both over items (``p``) and over items
            and seeds (the interval does not contain 0); otherwise ``not confirmed``.
        difference: difference of the scores.
        low: lower end of its 95% interval over items and seeds.
        high: upper end of the interval.
        p: p-value of approximate randomization over items.
    """

    word: str
    difference: float
    low: float
    high: float
    p: float


def judged(metric: Metric, claim: Claim, scores: dict[str, StudyScore]) -> Verdict | None:
    """The verdict on a claim; None if one of the two systems is missing."""
    if claim.better not in scores or claim.worse not in scores:
        return None
    better, worse = scores[claim.better], scores[claim.worse]
    difference, p = better.score - worse.score, p_value(metric, better, worse)
    both = resampled(metric, [better.stats, worse.stats])
    low, high = interval(both[:, 0] - both[:, 1])
    word = "not confirmed"
    if p < SIGNIFICANT and not low <= 0 <= high:
        word = "confirmed" if difference > 0 else "contradicted"
    return Verdict(word, difference, low, high, p)
