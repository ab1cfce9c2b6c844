"""ROUGE as a sacreBLEU metric: rouge-score scores each segment; sacreBLEU provides resampling and signatures."""

from collections.abc import Sequence
from enum import Enum
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
from sacrebleu.metrics.base import Metric, Score, Signature
from sacrebleu.significance import estimate_ci
from tqdm import tqdm

from swcm_fairseq.checkpoint_state import Options
from swcm_fairseq.version import __version__

if TYPE_CHECKING:
    from swcm_fairseq.scoring.tokenizers.base import Tokenizer


class RougeType(Enum):
    """The variants of ROUGE; the values are rouge-score's names."""

    ROUGE_L = "rougeL"
    ROUGE_1 = "rouge1"
    ROUGE_2 = "rouge2"


class RougeScore(Score):
    """Mean F1, precision and recall over the segments of a corpus, in percent.

    Attributes:
        score: mean F1 of the segments, as in rouge-score's aggregator (not the F1 of the means).
        precision: mean precision.
        recall: mean recall.
        intervals: bootstrap 95% half-widths by ``score``, ``precision``, ``recall``; empty before resampling.
    """

    PARTS = ("score", "precision", "recall")

    def __init__(self, name: str, fmeasure: float, precision: float, recall: float) -> None:
        super().__init__(name, fmeasure)
        self.precision = precision
        self.recall = recall
        self.intervals: dict[str, float] = {}
        self._verbose = f"P = {precision:.2f} R = {recall:.2f}"  # the end of str(score), which validation logs

    def estimate_ci(self, scores: list[Score]) -> None:
        """Compute the intervals of all three numbers from the scores of bootstrap resamples."""
        super().estimate_ci(scores)
        for part in self.PARTS:
            _, half_width = estimate_ci(np.array([getattr(score, part) for score in scores]))
            self.intervals[part] = float(half_width)

    def describe(self) -> str:
        """``rougeL F1 = 31.02 ± 2.10, P = 35.20 ± 2.31, R = 30.11 ± 2.05``."""
        labels = dict(zip(self.PARTS, ("F1", "P", "R"), strict=True))
        numbers = []
        for part, label in labels.items():
            interval = f" ± {self.intervals[part]:.2f}" if self.intervals else ""
            numbers.append(f"{label} = {getattr(self, part):.2f}{interval}")
        return f"{self.name} {', '.join(numbers)}"


class RougeSignature(Signature):
    """``rougeL|lang:bo|tok:bo-syllable|case:lc|norm:nfkc|agg:mean|v:...``: everything that the number depends on."""

    def __init__(self, args: Options) -> None:
        super().__init__(args)
        self.rouge_type: RougeType = args["rouge_type"]
        tokenizer: Tokenizer = args["tokenizer"]
        self.info = {
            "lang": args["language"],
            "tok": tokenizer.name,
            "case": tokenizer.case,
            "norm": tokenizer.norm,
            "agg": "mean",
            "nrefs": args["num_refs"] if args["num_refs"] != 1 else None,
            "ar": None,  # trials of the comparison with another system
            "bs": args["n_bootstrap"],  # resamples of the interval
            "rs": args["seed"],  # and their seed
            "v": f"{__version__}+rouge_score{version('rouge_score')}",
        }

    def format(self, short: bool = False) -> str:
        """The signature; ``short`` has no effect."""
        pairs = (f"{key}:{value}" for key, value in self.info.items() if value is not None)
        return "|".join((self.rouge_type.value, *pairs))


class Rouge(Metric):
    """ROUGE-1, -2 or -L of a corpus against one or more references.

    The statistics of a segment are ``[1, F1, precision, recall]`` against the reference with the highest F1, so a
    corpus score is the mean over segments, and every resample of segments is a sum.

    Args:
        rouge_type: the variant.
        language: language code of the references, for the signature.
        tokenizer: splits references and hypotheses into units.
    """

    _SIGNATURE_TYPE = RougeSignature

    def __init__(self, rouge_type: RougeType, language: str, tokenizer: "Tokenizer") -> None:
        super().__init__()
        from rouge_score.rouge_scorer import RougeScorer  # takes a second to import

        self.rouge_type = rouge_type
        self.language = language
        self.tokenizer = tokenizer
        self.scorer = RougeScorer([rouge_type.value], tokenizer=tokenizer)
        self.num_refs = 1

    def _preprocess_segment(self, sent: str) -> str:
        return sent  # rouge-score calls the tokenizer

    def _extract_reference_info(self, refs: Sequence[str]) -> dict[str, object]:
        return {"references": refs}

    def _extract_corpus_statistics(
        self, hypotheses: Sequence[str], references: Sequence[Sequence[str]] | None
    ) -> list[list[float]]:
        """Statistics of each segment; shows a progress bar because rouge-score's Python code for ROUGE-L is slow."""
        bar = tqdm(hypotheses, desc=self.rouge_type.value, unit="lines", leave=False, delay=2, disable=None)
        return super()._extract_corpus_statistics(bar, references)

    def _compute_segment_statistics(self, hypothesis: str, ref_kwargs: Options) -> list[float]:
        best = self.scorer.score_multi(ref_kwargs["references"], hypothesis)[self.rouge_type.value]
        return [1, best.fmeasure, best.precision, best.recall]

    def _aggregate_and_compute(self, stats: Sequence[Sequence[float]]) -> RougeScore:
        return self._compute_score_from_stats(np.sum(np.asarray(stats, dtype=float).reshape(-1, 4), axis=0))

    def _compute_score_from_stats(self, stats: Sequence[float]) -> RougeScore:
        segments, *sums = (float(value) for value in stats)
        means = [100 * value / segments if segments else 0.0 for value in sums]
        return RougeScore(self.rouge_type.value, *means)
