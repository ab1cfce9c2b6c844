"""Accuracy, macro-F1 and weighted F1 of predicted labels, with sacreBLEU's interface."""

from collections.abc import Sequence

import numpy as np
from sacrebleu.metrics.base import Metric, Score, Signature

from swcm_fairseq.checkpoint_state import Options
from swcm_fairseq.version import __version__

SUPPORT, PREDICTED, CORRECT = range(3)


def label_counts(references: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Count how often each class is the reference, the prediction, and both.

    Args:
        references: classes, int64, shape (examples,).
        predictions: classes, of the same shape.
        classes: number of classes.

    Returns:
        int64, shape (3, classes): rows :data:`SUPPORT`, :data:`PREDICTED`, :data:`CORRECT`.
    """
    correct = references[references == predictions]
    return np.stack([np.bincount(labels, minlength=classes) for labels in (references, predictions, correct)])


def class_f1(counts: np.ndarray) -> np.ndarray:
    """F1 of each class, float64, shape (classes,); NaN for classes that do not occur.

    Args:
        counts: see :func:`label_counts`.
    """
    total = counts[SUPPORT] + counts[PREDICTED]
    return np.divide(2.0 * counts[CORRECT], total, out=np.full(total.shape, np.nan), where=total > 0)


def macro_f1(counts: np.ndarray) -> float:
    """Mean F1 of the classes that occur in references or predictions, 0 to 1 (scikit-learn's ``average="macro"``)."""
    return float(np.nanmean(class_f1(counts)))


def weighted_f1(counts: np.ndarray) -> float:
    """Mean F1 weighted by the number of references of each class, 0 to 1 (scikit-learn's ``average="weighted"``)."""
    support = counts[SUPPORT]
    return float((np.nan_to_num(class_f1(counts)) * support).sum() / support.sum())


def accuracy(counts: np.ndarray) -> float:
    """Share of correct predictions, 0 to 1."""
    return float(counts[CORRECT].sum() / counts[SUPPORT].sum())


LABEL_SCORES = {"accuracy": accuracy, "macro-F1": macro_f1, "weighted-F1": weighted_f1}


class LabelSignature(Signature):
    """``macro-F1|classes:occurring|bs:1000|rs:12345|v:...``: everything that the number depends on."""

    def __init__(self, args: Options) -> None:
        super().__init__(args)
        self.name: str = args["score_name"]
        self.info = {
            "classes": None if self.name == "accuracy" else "occurring",  # in references or predictions
            "ar": None,  # trials of the comparison with another system
            "bs": args["n_bootstrap"],  # resamples of the interval
            "rs": args["seed"],  # and their seed
            "v": __version__,
        }

    def format(self, short: bool = False) -> str:
        """The signature; ``short`` has no effect."""
        return "|".join((self.name, *(f"{key}:{value}" for key, value in self.info.items() if value is not None)))


class LabelMetric(Metric):
    """One of :data:`LABEL_SCORES` in percent; its statistics are the counts of :func:`label_counts`."""

    _SIGNATURE_TYPE = LabelSignature

    def __init__(self, name: str, labels: Sequence[str]):
        """Args:
        name: key of :data:`LABEL_SCORES`.
        labels: all labels that occur.
        """
        super().__init__()
        self.score_name, self.labels = name, list(labels)

    def _preprocess_segment(self, sent: str) -> str:
        return sent.strip()

    def _extract_reference_info(self, refs: Sequence[str]) -> dict[str, str]:
        return {"label": refs[0]}

    def _compute_segment_statistics(self, hypothesis: str, ref_kwargs: dict[str, str]) -> list[int]:
        index = np.array([self.labels.index(label) for label in (ref_kwargs["label"], hypothesis)])
        return label_counts(index[:1], index[1:], len(self.labels)).ravel().tolist()

    def _compute_score_from_stats(self, stats: list[float]) -> Score:
        counts = np.asarray(stats).reshape(3, len(self.labels))
        return Score(self.score_name, 100 * LABEL_SCORES[self.score_name](counts))

    def _aggregate_and_compute(self, stats: list[list[int]]) -> Score:
        return self._compute_score_from_stats(np.sum(stats, axis=0).tolist())
