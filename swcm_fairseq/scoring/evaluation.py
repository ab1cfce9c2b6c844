"""Scores of one or several systems against the same references."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TYPE_CHECKING

from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.metrics.base import Metric, Score

from swcm_fairseq.data.identification import has_identifier
from swcm_fairseq.data.languages import language as table_row
from swcm_fairseq.errors import InputError
from swcm_fairseq.scoring.label_metrics import LABEL_SCORES, LabelMetric
from swcm_fairseq.scoring.language_id import language_accuracy
from swcm_fairseq.scoring.metric_statistics import half_width, segment_statistics
from swcm_fairseq.scoring.rouge import Rouge, RougeScore, RougeType
from swcm_fairseq.scoring.significance import approximate_randomization, score_with_interval

if TYPE_CHECKING:
    from swcm_fairseq.scoring.tokenizers.base import Tokenizer

# Choices on the command line: BLEU tokenizers that need neither a download nor another package.
OFFLINE_BLEU_TOKENIZERS = ("13a", "char", "intl", "none", "zh")


@dataclass(frozen=True)
class System:
    """One system's output.

    Attributes:
        name: name of the system in the tables.
        hypotheses: one string per segment.
    """

    name: str
    hypotheses: Sequence[str]


@dataclass(frozen=True)
class Value:
    """One number of a report, in percent.

    Attributes:
        score: the number.
        interval: half-width of its bootstrap 95% interval, ``None`` without resampling.
        p_value: p-value of the difference from the first system, ``None`` without a test.
    """

    score: float
    interval: float | None = None
    p_value: float | None = None


@dataclass
class SystemScores:
    """All numbers of one system.

    Attributes:
        name: name of the system.
        values: name (``rougeL F1``, ``BLEU``, ``language``, ...) -> number.
        empty: number of empty hypotheses, which score 0.
        scripts: main script -> number of hypotheses.
        languages: identified language -> number of hypotheses; empty without ``pycld2``.
    """

    name: str
    values: dict[str, Value] = field(default_factory=dict)
    empty: int = 0
    scripts: dict[str, int] = field(default_factory=dict)
    languages: dict[str, int] = field(default_factory=dict)


@dataclass
class Evaluation:
    """The contents of a report.

    Attributes:
        language: language code of the references.
        segments: number of lines.
        systems: the systems in the order given; the first is the baseline for comparisons.
        signatures: metric -> everything its numbers depend on.
        notes: further remarks on the numbers.
    """

    language: str
    segments: int
    systems: list[SystemScores]
    signatures: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)


def build_metrics(
    language: str, tokenizer: "Tokenizer", bleu_tokenizer: str | None = None, lowercase: bool = False
) -> list[Metric]:
    """ROUGE-L, -1, -2 with ``tokenizer``, sacreBLEU's BLEU and chrF++ (chrF with word bigrams).

    With ``lowercase``, BLEU and chrF++ compare lower-cased text, as in sacreBLEU's ``--lowercase``; ROUGE always does.
    """
    rouges = [Rouge(rouge_type, language, tokenizer) for rouge_type in RougeType]
    bleu = BLEU(tokenize=bleu_tokenizer or table_row(language).bleu, lowercase=lowercase, force=True)
    return [*rouges, bleu, CHRF(word_order=2, lowercase=lowercase)]


def _values(score: Score, p_value: float | None) -> dict[str, Value]:
    """The rows of one score: three for ROUGE, one for other metrics. The first row has the p-value."""
    if not isinstance(score, RougeScore):
        return {score.name: Value(score.score, half_width(score), p_value)}
    f1, precision, recall = (Value(getattr(score, part), score.intervals.get(part)) for part in RougeScore.PARTS)
    tested = Value(f1.score, f1.interval, p_value)
    return {f"{score.name} F1": tested, f"{score.name} P": precision, f"{score.name} R": recall}


def _score_systems(
    metric: Metric,
    systems: Sequence[System],
    references: Sequence[Sequence[str]],
    n_bootstrap: int,
    trials: int,
) -> tuple[list[dict[str, Value]], str, str]:
    """One metric for all systems: the rows of each system, and the name and signature of the metric.

    The statistics of the segments are extracted only once, for score, intervals and test.
    """
    stats = [segment_statistics(metric, system.hypotheses, references) for system in systems]
    rows = []
    for position, own in enumerate(stats):
        score = score_with_interval(metric, own, n_bootstrap)
        tested = position > 0 and trials > 0
        rows.append(_values(score, approximate_randomization(metric, stats[0], own, trials) if tested else None))
    signature = metric.get_signature()
    if len(systems) > 1 and trials > 0:
        signature.update("ar", trials)
    return rows, score.name, str(signature)


def _add_languages(result: Evaluation, systems: Sequence[System]) -> None:
    """Add the language accuracy of every system, or a note that explains why it is missing."""
    for system, scores in zip(systems, result.systems, strict=True):
        accuracy = language_accuracy(system.hypotheses, result.language)
        scores.scripts, scores.languages = accuracy.scripts, accuracy.languages
        shares = {"script": accuracy.script, "language": accuracy.language}
        scores.values |= {title: Value(share) for title, share in shares.items() if share is not None}
    result.signatures["script"] = f"script|lang:{result.language}|rule:most-words"
    if has_identifier():
        result.signatures["language"] = f"language|lang:{result.language}|id:script+cld2|v:pycld2-{version('pycld2')}"
    else:
        result.notes.append("no language accuracy: pycld2 is not installed (pip install pycld2)")


def _check(systems: Sequence[System], references: Sequence[Sequence[str]]) -> None:
    for segments in (*references, *(system.hypotheses for system in systems)):
        if not segments or len(segments) != len(references[0]):
            raise InputError(
                f"{len(segments)} segments for {len(references[0])} references; give one hypothesis per reference"
            )


def _notes(tokenizer: "Tokenizer", references: Sequence[Sequence[str]]) -> list[str]:
    """The number of segments that ROUGE cannot score because no reference contains letters or digits."""
    count = sum(not any(map(tokenizer.tokenize, texts)) for texts in zip(*references, strict=True))
    return [f"{count} references have no letters or digits, so their ROUGE is 0 for any output"] if count else []


def evaluate(
    systems: Sequence[System],
    references: Sequence[Sequence[str]],
    language: str,
    tokenizer: "Tokenizer",
    bleu_tokenizer: str | None = None,
    n_bootstrap: int = 1000,
    trials: int = 10_000,
    lowercase: bool = False,
) -> Evaluation:
    """Score every system with every metric of :func:`build_metrics`, and its language accuracy.

    Args:
        systems: each with one hypothesis per segment.
        references: one list of segments per reference; each segment is scored against its best reference.
        language: language code of the references.
        tokenizer: tokenizer of the ROUGE scores.
        bleu_tokenizer: one of sacreBLEU's; ``None`` selects the language's own.
        n_bootstrap: resamples for the 95% intervals; 0 omits them.
        trials: random swaps for the p-values against the first system; 0 omits them.
        lowercase: whether to compute BLEU and chrF++ on lower-cased text.

    Raises:
        InputError: the numbers of segments differ, or there are none.
    """
    _check(systems, references)
    scores = [SystemScores(one.name, empty=sum(not text.strip() for text in one.hypotheses)) for one in systems]
    result = Evaluation(language, len(references[0]), scores, notes=_notes(tokenizer, references))
    metrics = build_metrics(language, tokenizer, bleu_tokenizer, lowercase)
    _add_scores(result, metrics, systems, references, n_bootstrap, trials)
    _add_languages(result, systems)
    return result


def evaluate_labels(
    systems: Sequence[System], references: Sequence[str], language: str, n_bootstrap: int = 1000, trials: int = 10_000
) -> Evaluation:
    """Accuracy, macro-F1 and weighted F1 of every system's labels.

    Args:
        systems: each with one label per reference.
        references: the true labels.
        language: language of the classified texts.
        n_bootstrap, trials: as in :func:`evaluate`.

    Raises:
        InputError: the numbers of labels differ, or there are none.
    """
    _check(systems, [references])
    labels = sorted({*references, *(label for system in systems for label in system.hypotheses)})
    result = Evaluation(language, len(references), [SystemScores(system.name) for system in systems])
    metrics = [LabelMetric(name, labels) for name in LABEL_SCORES]
    _add_scores(result, metrics, systems, [references], n_bootstrap, trials)
    return result


def _add_scores(
    result: Evaluation,
    metrics: Sequence[Metric],
    systems: Sequence[System],
    references: Sequence[Sequence[str]],
    n_bootstrap: int,
    trials: int,
) -> None:
    for metric in metrics:
        rows, name, signature = _score_systems(metric, systems, references, n_bootstrap, trials)
        result.signatures[name] = signature
        for system, values in zip(result.systems, rows, strict=True):
            system.values |= values
