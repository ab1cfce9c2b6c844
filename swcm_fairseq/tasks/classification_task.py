"""The task ``multilingual_classification``: fairseq's ``sentence_prediction`` on the data sets used to evaluate CINO
(Yang et al. 2022, section 5)."""

import logging
from argparse import Namespace
from dataclasses import dataclass
from typing import Any, Optional

import numpy as np
from fairseq.data import BaseWrapperDataset, Dictionary
from fairseq.logging import metrics
from fairseq.tasks import register_task
from fairseq.tasks.sentence_prediction import SentencePredictionConfig, SentencePredictionTask
from omegaconf import DictConfig
from torch import Tensor

from swcm_fairseq.checkpoint_state import TaskState
from swcm_fairseq.criterions.classification_criterion import COUNTS
from swcm_fairseq.data.labelled_directory import Classification
from swcm_fairseq.data.sample import Sample
from swcm_fairseq.errors import InputError
from swcm_fairseq.options import option
from swcm_fairseq.scoring.label_metrics import SUPPORT, macro_f1, weighted_f1
from swcm_fairseq.tasks.option_limits import check_options
from swcm_fairseq.tasks.restored import restored_sizes, take_sizes
from swcm_fairseq.tasks.training import TrainingConfig, TrainingTask, whole_configuration

logger = logging.getLogger(__name__)


@dataclass
class MultilingualClassificationConfig(SentencePredictionConfig, TrainingConfig):
    """fairseq's options; num_classes, max_positions and the model sizes are taken from the data and the checkpoint."""

    init_token: Optional[int] = option(0, "id to put before each text; 0 is <s>")
    tokens_per_sample: int = option(512, "maximum length of a text, including <s> and </s>; longer texts are truncated")


class LanguageDataset(BaseWrapperDataset):
    """A dataset whose batches contain the language of each example."""

    def __init__(self, dataset, languages: np.ndarray):
        """``languages`` is the index of each example's language, int64, shape (examples,)."""
        super().__init__(dataset)
        self.languages = languages

    @property
    def can_reuse_epoch_itr_across_epochs(self) -> bool:
        """False, because the task ends the loading processes of an iterator after its epoch."""
        return False

    def collater(self, samples: list[dict[str, object]]) -> Sample:
        """fairseq's batch with the added key ``lang``, int64, shape (batch,); {} for no samples."""
        batch = super().collater(samples)
        return {**batch, "lang": batch["id"].new_tensor(self.languages[batch["id"].numpy()])} if batch else batch


@register_task("multilingual_classification", dataclass=MultilingualClassificationConfig)
class MultilingualClassificationTask(SentencePredictionTask, TrainingTask):
    """Classification of texts in several languages, starting from any encoder in a fairseq checkpoint.

    Attributes:
        classification: classes and splits of the data directory.
        languages: the languages of all splits; ``sample["lang"]`` indexes them.
    """

    cfg: MultilingualClassificationConfig

    def __init__(self, cfg, data_dictionary: Dictionary, label_dictionary: Dictionary):
        SentencePredictionTask.__init__(self, cfg, data_dictionary, label_dictionary)
        self.classification = Classification.read(cfg.data)
        splits = self.classification.splits.values()
        self.languages = sorted({lang for parts in splits for lang, _ in parts})
        if cfg.tokens_per_sample < 3:
            raise InputError(f"--tokens-per-sample {cfg.tokens_per_sample}: <s> and </s> leave no room for text")
        # This allows checkpoints to be read as encoders without the data directory.
        state = {"symbols": list(self.dictionary.symbols), "classes": self.classification.classes}
        self.state.merge_state_dict(state)

    @classmethod
    def setup_task(cls, cfg: Any, from_checkpoint: bool = False, **kwargs) -> "MultilingualClassificationTask":
        """Create the task.

        Args:
            cfg: the options of the task.
            from_checkpoint: whether they come from a checkpoint instead of a command line.
            kwargs: further arguments of fairseq.

        Raises:
            InputError: the data directory is invalid or does not have ``--num-classes`` classes, or an option is
                invalid.
        """
        options = whole_configuration(cfg)
        if options is not None and not from_checkpoint:
            check_options(options)
        classes = len(Classification.read(cfg.data).classes)
        if cfg.num_classes not in (-1, classes):
            raise InputError(f"--num-classes {cfg.num_classes}: {cfg.data} has {classes} classes; remove the option")
        cfg.num_classes = classes
        if cfg.shorten_method == "none":
            cfg.shorten_method = "truncate"
        return super().setup_task(cfg, **kwargs)

    def load_state_dict(self, state_dict: TaskState) -> None:
        """Refuse a checkpoint with a different vocabulary or different classes; raises :class:`InputError`."""
        self.check_restored_state(state_dict, "the checkpoint")

    def check_restored_state(self, state: TaskState, path: str) -> None:
        """Raise :class:`InputError` for a checkpoint whose pieces or classes differ from those of the data."""
        if state.get("symbols", self.dictionary.symbols) != self.dictionary.symbols:
            raise InputError(
                f"{path}: has other pieces than {self.cfg.data}; write the data with the checkpoint's vocabulary"
            )
        if state.get("classes", self.classification.classes) != self.classification.classes:
            raise InputError(
                f"{path}: was trained on other classes than those in {self.cfg.data}; use another checkpoint or data "
                "directory"
            )

    def max_positions(self) -> int:
        """Maximum length of a text, including ``<s>`` and ``</s>``."""
        return self.cfg.tokens_per_sample

    def build_model(self, cfg, from_checkpoint: bool = False):
        """Build the model with the sizes of the encoder that training starts from.

        Raises:
            InputError: the checkpoint is missing, has other pieces than the data, or too few positions.
        """
        if from_checkpoint:
            self.cfg.max_positions = cfg.max_positions
        else:
            self._follow_encoder(cfg)
            self.begin_training(cfg)
        return super().build_model(cfg, from_checkpoint)

    def _follow_encoder(self, cfg: DictConfig | Namespace) -> None:
        sizes = restored_sizes(self.cfg, self.cfg.tokens_per_sample)
        if sizes is not None:
            self.cfg.max_positions = sizes.positions
            take_sizes(cfg, sizes)

    def load_dataset(self, split: str, combine: bool = False, **kwargs) -> None:
        """Load a split; raises :class:`InputError` if it does not exist."""
        if split not in self.classification.splits:
            raise InputError(
                f"{self.cfg.data}: has no split {split!r}; available: {', '.join(self.classification.splits)}"
            )
        super().load_dataset(split, combine, **kwargs)
        languages = np.searchsorted(self.languages, self.classification.languages(split))
        self.datasets[split] = LanguageDataset(self.datasets[split], languages)

    def reduce_metrics(self, logging_outputs: list[dict[str, Tensor]], criterion) -> None:
        """As in fairseq; in validation, also log macro-F1 and weighted F1, and the mean macro-F1 of the languages."""
        super().reduce_metrics(logging_outputs, criterion)
        counts = [log[COUNTS] for log in logging_outputs if COUNTS in log]
        if not counts:
            return
        metrics.log_scalar_sum(f"_{COUNTS}", sum(counts))
        metrics.log_derived("macro_f1", lambda meters: 100 * macro_f1(_sums(meters).sum(axis=0)))
        metrics.log_derived("weighted_f1", lambda meters: 100 * weighted_f1(_sums(meters).sum(axis=0)))
        metrics.log_derived("macro_f1_mean", lambda meters: float(np.mean(_by_language(meters))))


def _sums(meters) -> np.ndarray:
    """The counts of the epoch so far, int64, shape (languages, 3, classes)."""
    return meters[f"_{COUNTS}"].sum.cpu().numpy()


def _by_language(meters) -> list[float]:
    """Macro-F1 in percent for each language that has examples."""
    return [100 * macro_f1(counts) for counts in _sums(meters) if counts[SUPPORT].sum()]
