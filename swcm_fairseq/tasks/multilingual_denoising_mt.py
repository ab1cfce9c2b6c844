"""The task ``multilingual_denoising_mt``: multilingual denoising and translation in one stream."""

import logging
from typing import Any

import numpy as np
import torch
from fairseq import utils
from fairseq.criterions import FairseqCriterion
from fairseq.data import FairseqDataset
from fairseq.data.iterators import EpochBatchIterator
from fairseq.logging import metrics
from fairseq.tasks import register_task
from omegaconf import open_dict

from swcm_fairseq.checkpoint_state import TaskState
from swcm_fairseq.criterions.logging_sums import summed
from swcm_fairseq.data.dictionary import MultilingualDictionary
from swcm_fairseq.data.directory import load_vocabulary
from swcm_fairseq.data.epoch_table import planned_counts
from swcm_fairseq.data.languages import DEFAULT_LANGS, WordUnit, check_code
from swcm_fairseq.data.loading import Choice, ChosenCorpora
from swcm_fairseq.data.mixed_dataset import Mix
from swcm_fairseq.data.multilingual_dataset import MultilingualDataset
from swcm_fairseq.data.noise import Noise
from swcm_fairseq.data.streams import FRAME, Stream
from swcm_fairseq.data.vocabulary import add_special_symbols, remove_special_symbols
from swcm_fairseq.errors import InputError
from swcm_fairseq.models import XLMSWCMModel
from swcm_fairseq.models.cpu_precision import CPUPrecision
from swcm_fairseq.options import mapping_of, same_named
from swcm_fairseq.tasks.inference import InferenceTask
from swcm_fairseq.tasks.interactive_input import is_interactive, open_input
from swcm_fairseq.tasks.language_generator import LanguageGenerator
from swcm_fairseq.tasks.restored import check_same_pieces, check_same_symbols
from swcm_fairseq.tasks.task_config import (
    Directions,
    LongDocuments,
    MultilingualDenoisingMTConfig,
    batch_groups,
    language_share,
    split_list,
    temperature,
)
from swcm_fairseq.tasks.training import TrainingTask, whole_configuration
from swcm_fairseq.tasks.validation import decode_and_score, parse_generation_options

logger = logging.getLogger(__name__)

DEFAULT_POSITIONS = 256
_EVAL_BATCH_SIZE = 32  # sentences decoded together if --batch-size-valid is not given


@register_task("multilingual_denoising_mt", dataclass=MultilingualDenoisingMTConfig)
class MultilingualDenoisingMTTask(TrainingTask, InferenceTask):
    """Multilingual denoising and translation (or summarization, or reading comprehension) in one stream.

    Attributes:
        dictionary: pieces, ``<mask>`` and language tokens; source and target share it.
        langs: language codes, in the order of their tokens.
        corpora: the chosen corpora of the data directories.
    """

    cfg: MultilingualDenoisingMTConfig

    def __init__(self, cfg: MultilingualDenoisingMTConfig):
        super().__init__(cfg)
        self.paths = utils.split_paths(cfg.data)
        if not all(self.paths):
            raise InputError(
                f"the data path {cfg.data!r} has an empty part; give one directory, or several separated by colons"
            )
        self.dictionary = MultilingualDictionary.of(load_vocabulary(self.paths[0]))
        self.langs: list[str] = []
        self.positions = DEFAULT_POSITIONS if cfg.tokens_per_sample is None else cfg.tokens_per_sample
        if self.positions <= FRAME:
            raise InputError(f"--tokens-per-sample {self.positions}: give more than {FRAME} to leave room for text")
        self._loaded_positions: list[int] = []
        self._set_langs(split_list(cfg.langs) or list(DEFAULT_LANGS))
        self.noise = same_named(Noise, cfg)
        self.temperature = temperature(cfg)
        if min(cfg.update_freq) < 1:
            raise InputError(f"--update-freq {','.join(map(str, cfg.update_freq))}: give numbers of 1 or more")
        if cfg.eval_metric is not None:
            parse_generation_options(cfg.eval_args)
        self._eval_generator: LanguageGenerator | None = None
        self._eval_scores: dict[str, float] = {}

    @classmethod
    def setup_task(cls, cfg: Any, from_checkpoint: bool = False, **kwargs: object) -> "TrainingTask":
        """As in the parent class; also make ``fairseq-interactive`` read lines by this package's rules."""
        options = whole_configuration(cfg)
        if options is None or from_checkpoint or not is_interactive():
            return super().setup_task(cfg, from_checkpoint, **kwargs)
        if options.common_eval.path is None:
            raise InputError("--path is missing; give a checkpoint")
        task = super().setup_task(cfg, from_checkpoint, **kwargs)
        open_input(options)
        return task

    def _set_langs(self, langs: list[str]) -> None:
        """Replace the language tokens in the dictionary, in place, because fairseq already uses it."""
        remove_special_symbols(self.dictionary)
        add_special_symbols(self.dictionary, langs)
        self.langs = langs
        self._choose_corpora()
        self.state.merge_state_dict(
            {
                "symbols": list(self.dictionary.symbols),
                "langs": list(langs),
                "tokens_per_sample": self.positions,
            }
        )

    def _choose_corpora(self) -> None:
        """Set ``corpora``; called again when a checkpoint changes languages or positions."""
        cfg = self.cfg
        choice = Choice(
            wanted=split_list(cfg.corpora),
            both=None if cfg.directions is None else cfg.directions is Directions.both,
            source_lang=cfg.source_lang,
            target_lang=cfg.target_lang,
            translation_share=cfg.translation_share,
            max_positions=self.positions,
            blocks=cfg.long_documents is LongDocuments.blocks,
            word_units=_word_units(cfg.word_units),
        )
        self.corpora = ChosenCorpora(self.paths, self.dictionary, self.langs, choice)

    # --- fairseq's interface ---

    def max_positions(self) -> tuple[int, int]:
        """Maximum lengths of source and target, including ``<s> <xx>`` and ``</s>``."""
        return self.positions, self.positions

    def load_state_dict(self, state_dict: TaskState) -> None:
        """Adopt the languages and positions of a checkpoint, and refuse data with a different vocabulary.

        fairseq calls this before it builds the model of a checkpoint for decoding, but not for training. In an
        ensemble, the checkpoint with the fewest positions decides.

        Raises:
            InputError: the pieces of the data directory, or ``--langs``, differ from those of the checkpoint.
        """
        if "symbols" not in state_dict:
            return  # a checkpoint of another task
        check_same_pieces(state_dict, self.dictionary.symbols[: self.dictionary.num_pieces], self.paths[0])
        if "langs" not in state_dict:
            raise InputError(
                "--path: a checkpoint of masked language modeling cannot generate text; give a checkpoint of an "
                "encoder-decoder"
            )
        langs = list(state_dict["langs"])
        if self.cfg.langs is not None and self.langs != langs:
            raise InputError(f"--langs {','.join(self.langs)}: the checkpoint has {','.join(langs)}; remove --langs")
        if self.cfg.tokens_per_sample is None and "tokens_per_sample" in state_dict:  # older checkpoints lack it
            self._loaded_positions.append(state_dict["tokens_per_sample"])
            self.positions = min(self._loaded_positions)
        self._set_langs(langs)

    def build_model(self, cfg, from_checkpoint: bool = False):
        """Build the model; a model from a checkpoint no longer needs the file of the pretrained encoder.

        Raises:
            InputError: an option does not work in training, a file is missing, or the model has fewer positions than
                ``--tokens-per-sample``.
        """
        of_training = {
            "pretrained_encoder": None,
            "pretrained_decoder": False,
            "compile_layers": False,
            "checkpoint_activations": False,
            "offload_activations": False,
        }
        if from_checkpoint and any(mapping_of(cfg).get(name) for name in of_training):
            cfg = cfg.copy()
            with open_dict(cfg):
                cfg.update(of_training)
        if not from_checkpoint:
            precision = CPUPrecision.of(self.cfg.cpu_precision)
            if precision is not CPUPrecision.float32:
                raise InputError(f"--cpu-precision {precision.value} is only for generation; remove it from training")
            if self.cfg.cuda_graph_decoding:
                raise InputError("--cuda-graph-decoding is only for generation; remove it from training")
            self.begin_training(cfg)
        model = super().build_model(cfg, from_checkpoint)
        if isinstance(model, XLMSWCMModel) and not from_checkpoint and model.missing is not None:
            raise InputError(model.missing)
        positions = model.max_positions()
        least = min(positions) if isinstance(positions, tuple) else positions
        if least < self.positions and from_checkpoint:
            logger.info(f"the model in the checkpoint has {least} positions; --tokens-per-sample is lowered to {least}")
            self.positions = least
            self._choose_corpora()
        elif least < self.positions:
            raise InputError(
                f"--tokens-per-sample {self.positions}: the model has only {least} positions; lower it, or "
                "raise --max-source-positions and --max-target-positions"
            )
        return model

    def check_restored_state(self, state: TaskState, path: str) -> None:
        """Refuse a checkpoint with other pieces or languages; ``--finetune-from-model`` may add languages."""
        finetune = path == self.cfg.finetune_from_model
        check_same_symbols(state, self.dictionary.symbols, self.langs, path, finetune)

    def load_dataset(self, split: str, combine: bool = False, epoch: int = 1, **kwargs) -> None:
        """Load a split of every chosen corpus that has it.

        Args:
            split: ``train``, ``valid``, ``test``, ...
            combine: whether to read ``train``, ``train1``, ... in stock directories as one split.
            epoch: number of the epoch, which selects the directory if there are several.
            kwargs: further arguments of fairseq; not used.

        Raises:
            InputError: no chosen corpus has the split, or one of its files is damaged.
        """
        self._check_direction()
        path = self.paths[(epoch - 1) % len(self.paths)]
        is_train = split == self.cfg.train_subset
        streams = self.corpora.load(path, split, combine, self.cfg.train_samples if is_train else None)
        mix = Mix(
            self.cfg.seed,
            groups=[self.group_names.index(stream.group) for stream in streams],
            counts=self._sample_counts(streams) if is_train else None,
            shards=len(self.paths),
            batch_groups=batch_groups(self.cfg.group_batches_by, streams),
        )
        self.datasets[split] = MultilingualDataset(streams, self.dictionary, self.noise, self.positions, mix)

    def get_batch_iterator(
        self, dataset: FairseqDataset, max_tokens: int | None = None, **kwargs: Any
    ) -> EpochBatchIterator:
        """As in fairseq, but refuse samples longer than ``--max-tokens`` instead of skipping them."""
        if isinstance(dataset, MultilingualDataset) and max_tokens is not None:
            longest = int(dataset.sizes.max())
            if longest > max_tokens:
                raise InputError(
                    f"--max-tokens {max_tokens}: the longest sample has {longest} tokens; raise --max-tokens or lower "
                    "--tokens-per-sample"
                )
        iterator = super().get_batch_iterator(dataset, max_tokens, **kwargs)
        if self.train_iterator is not None and iterator is self.train_iterator:
            source, target = self.datasets[self.cfg.train_subset].padding(iterator.frozen_batches)
            logger.info(f"padding: about {source:.1%} of source positions, {target:.1%} of target positions")
        return iterator

    def begin_valid_epoch(self, epoch: int, model) -> None:
        """Decode and score the first samples of each parallel corpus, if ``--eval-metric`` is given."""
        self._eval_scores = {}
        if self.cfg.eval_metric is None:
            return
        if self._eval_generator is None:
            self._eval_generator = self.build_generator([model], parse_generation_options(self.cfg.eval_args))
        self._eval_scores = decode_and_score(
            self.datasets[self.cfg.valid_subset.split(",")[0]],
            self._eval_generator,
            model,
            self.cfg.eval_metric,
            self.cfg.eval_samples,
            self.cfg.batch_size_valid or _EVAL_BATCH_SIZE,
            self.group_names,
        )

    def reduce_metrics(self, logging_outputs, criterion) -> None:
        """As in fairseq; in validation, also log the scores of ``--eval-metric``."""
        if isinstance(criterion, FairseqCriterion) and criterion.logging_outputs_can_be_summed():
            logging_outputs = [summed(logging_outputs)]
        super().reduce_metrics(logging_outputs, criterion)
        if not criterion.training:
            for name, score in self._eval_scores.items():
                metrics.log_scalar(name, score, priority=50, round=2)

    # --- corpora ---

    @property
    def group_names(self) -> list[str]:
        """Names of all chosen directions in all data directories; ``sample["group"]`` indexes them."""
        return self.corpora.group_names

    def language_vocabulary(self, lang_token: int) -> torch.Tensor | None:
        """The pieces that occur in the training text of a language, as counted by swcm binarize.

        Args:
            lang_token: dictionary index of the language token.

        Returns:
            ids, int64, ascending; None if the pieces were not counted.
        """
        return self.corpora.vocabulary(self.langs[lang_token - self.dictionary.num_pieces - 1], self.cfg.train_subset)

    def _sample_counts(self, streams: list[Stream]) -> np.ndarray:
        """The number of samples per epoch from each stream; logs the table."""
        cfg = self.cfg
        shares = cfg.translation_share, language_share(cfg.language_share)
        if None not in shares:
            raise InputError("--translation-share and --language-share: give one of them")
        return planned_counts(streams, self.temperature, cfg.samples_per_epoch, *shares)


def _word_units(text: str | None) -> dict[str, WordUnit]:
    """Parse ``bo=piece,zh=space``; raises :class:`InputError` if ``text`` does not have this form."""
    units = {}
    for item in split_list(text):
        lang, _, unit = item.partition("=")
        try:
            units[check_code(lang)] = WordUnit(unit)
        except ValueError as error:
            choices = ", ".join(unit.value for unit in WordUnit)
            raise InputError(f"--word-units {item}: write LANG=UNIT, where UNIT is one of {choices}") from error
    return units
