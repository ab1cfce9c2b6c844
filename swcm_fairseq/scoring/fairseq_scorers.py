"""The scorers ``rouge_l``, ``rouge_1`` and ``rouge_2`` for ``--scoring``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Optional

from fairseq.dataclass import ChoiceEnum, FairseqDataclass
from fairseq.scoring import BaseScorer, register_scorer
from omegaconf import DictConfig

from swcm_fairseq.errors import InputError
from swcm_fairseq.options import mapping_of, option
from swcm_fairseq.scoring.metric_statistics import segment_statistics
from swcm_fairseq.scoring.rouge import Rouge, RougeScore, RougeType
from swcm_fairseq.scoring.significance import score_with_interval
from swcm_fairseq.scoring.tokenizers import TOKENIZER_NAMES, build_tokenizer


@dataclass
class RougeConfig(FairseqDataclass):
    """Options of the ROUGE scorers."""

    rouge_lang: Optional[str] = option(
        None, "language of the references; selects the tokenizer (default: the task's target language)"
    )
    rouge_tokenizer: Optional[ChoiceEnum(TOKENIZER_NAMES)] = option(  # type: ignore[valid-type]
        None, "tokenizer of the ROUGE scores (default: the language's own)"
    )
    rouge_sentencepiece_model: Optional[str] = option(
        None, "path of the .model file for --rouge-tokenizer sentencepiece"
    )
    rouge_bootstrap: int = option(1000, "number of bootstrap resamples for the 95%% interval; 0 omits it")


class RougeScorer(BaseScorer):
    """Collects the outputs of ``fairseq-generate`` or of a validation, and computes corpus ROUGE in percent.

    Args:
        cfg: a :class:`RougeConfig`, or the ``scoring`` node of a run's configuration; in the latter case, the language
            defaults to the target language of the run's task.

    Raises:
        InputError: neither the flag nor the task names a language, or the language has no tokenizer.
    """

    rouge_type: RougeType

    def __init__(self, cfg: RougeConfig | DictConfig) -> None:
        super().__init__(cfg)
        language = cfg.rouge_lang or _target_language(cfg)
        if language is None:
            raise InputError(
                "ROUGE needs the language of the references: add --target-lang or --rouge-lang, for example bo"
            )
        model = cfg.rouge_sentencepiece_model
        name = str(cfg.rouge_tokenizer) if cfg.rouge_tokenizer else None
        tokenizer = build_tokenizer(language, name, Path(model) if model else None)
        self.metric = Rouge(self.rouge_type, language, tokenizer)

    def _corpus_score(self, n_bootstrap: int) -> RougeScore:
        stats = segment_statistics(self.metric, self.pred, [self.ref])
        score = score_with_interval(self.metric, stats, n_bootstrap if stats else 0)
        assert isinstance(score, RougeScore)
        return score

    def score(self) -> float:
        """F1 in percent (0 to 100); 0 if nothing was added."""
        return self._corpus_score(n_bootstrap=0).score

    def result_string(self) -> str:
        """``rougeL F1 = 31.02 ± 2.10, P = ..., R = ..., 50 lines [signature]``, all in percent."""
        score = self._corpus_score(self.cfg.rouge_bootstrap)
        return f"{score.describe()}, {len(self.pred)} lines [{self.metric.get_signature()}]"


def _target_language(cfg: RougeConfig | DictConfig) -> str | None:
    """``target_lang`` of the task in the configuration that ``cfg`` belongs to.

    An interpolation in the dataclass would not work: fairseq resolves it when it parses the command line, which would
    stop every command of a task without a target language. Languages that a task infers from file names are not in the
    configuration, so their commands need the flag.
    """
    if not isinstance(cfg, DictConfig):
        return None
    run = cfg._get_root()
    task = run.get("task") if isinstance(run, DictConfig) else None
    return mapping_of(task).get("target_lang")


@register_scorer("rouge_l", dataclass=RougeConfig)
class RougeLScorer(RougeScorer):
    """ROUGE-L: longest common subsequence."""

    rouge_type = RougeType.ROUGE_L


@register_scorer("rouge_1", dataclass=RougeConfig)
class Rouge1Scorer(RougeScorer):
    """ROUGE-1: unigrams."""

    rouge_type = RougeType.ROUGE_1


@register_scorer("rouge_2", dataclass=RougeConfig)
class Rouge2Scorer(RougeScorer):
    """ROUGE-2: bigrams."""

    rouge_type = RougeType.ROUGE_2
