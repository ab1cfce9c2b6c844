"""Scores of one or several systems against the same references."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.metrics.base import Metric, Score

from swcm_fairseq.scoring.rouge import Rouge, RougeScore, RougeType
from swcm_fairseq.scoring.tokenizers import Tokenizer, plain_code

# language -> tokenizer of sacreBLEU, all offline. Tibetan puts no spaces between words and sacreBLEU has no
# syllables, so BLEU counts characters there; `intl` knows the punctuation of every script, `13a` (sacreBLEU's
# default) only ASCII's.
BLEU_TOKENIZERS = {"bo": "char", "en": "13a", "kk": "intl", "mn": "intl", "ug": "intl", "zh": "zh"}


@dataclass(frozen=True)
class System:
    """One system's output.

    Attributes:
        name: what the tables call it.
        hypotheses: one string a segment.
    """

    name: str
    hypotheses: Sequence[str]


@dataclass(frozen=True)
class Value:
    """One number of a report, in percent.

    Attributes:
        score: the number.
        interval: half-width of its bootstrap 95% interval, ``None`` without resampling.
    """

    score: float
    interval: float | None = None


@dataclass
class SystemScores:
    """All numbers of one system.

    Attributes:
        name: of the system.
        values: column (``rougeL F1``, ``BLEU``, ...) -> number.
    """

    name: str
    values: dict[str, Value] = field(default_factory=dict)


@dataclass
class Evaluation:
    """What the command reports.

    Attributes:
        language: code of the references.
        segments: number of lines.
        systems: in the order given; the first is the baseline of comparisons.
        signatures: metric -> what its numbers depend on.
    """

    language: str
    segments: int
    systems: list[SystemScores]
    signatures: dict[str, str] = field(default_factory=dict)


def build_metrics(language: str, tokenizer: Tokenizer, bleu_tokenizer: str | None = None) -> list[Metric]:
    """ROUGE-1, -2, -L with ``tokenizer``, sacreBLEU's BLEU and chrF++ (chrF with word bigrams)."""
    rouges = [Rouge(rouge_type, language, tokenizer) for rouge_type in RougeType]
    bleu = BLEU(tokenize=bleu_tokenizer or BLEU_TOKENIZERS.get(plain_code(language), "intl"), force=True)
    return [*rouges, bleu, CHRF(word_order=2)]


def _values(score: Score) -> dict[str, Value]:
    """The columns of one score: three for ROUGE, one for the others."""
    if isinstance(score, RougeScore):
        titles = zip(RougeScore.PARTS, ("F1", "P", "R"), strict=True)
        return {
            f"{score.name} {title}": Value(getattr(score, part), score.intervals.get(part)) for part, title in titles
        }
    return {score.name: Value(score.score, score._ci if score._ci >= 0 else None)}


def evaluate(
    systems: Sequence[System],
    references: Sequence[Sequence[str]],
    language: str,
    metrics: Sequence[Metric],
    n_bootstrap: int = 1000,
) -> Evaluation:
    """Score every system with every metric.

    Args:
        systems: each with as many hypotheses as each list of ``references``.
        references: one list of segments per reference; a segment counts with its best one.
        language: code of the references.
        metrics: of :func:`build_metrics`.
        n_bootstrap: resamples for the 95% intervals; 0 leaves them out.
    """
    result = Evaluation(language, len(references[0]), [SystemScores(system.name) for system in systems])
    for metric in metrics:
        for system, scores in zip(systems, result.systems, strict=True):
            score = metric.corpus_score(system.hypotheses, references, n_bootstrap)
            scores.values |= _values(score)
        result.signatures[score.name] = str(metric.get_signature())
    return result
