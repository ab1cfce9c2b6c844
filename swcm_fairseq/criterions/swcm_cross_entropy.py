"""Label-smoothed cross entropy with scheduled sampling, for large vocabularies."""

import math
from dataclasses import dataclass
from typing import Optional

import numpy as np
import torch
from fairseq import utils
from fairseq.criterions import FairseqCriterion, register_criterion
from fairseq.dataclass import FairseqDataclass
from fairseq.distributed import utils as distributed_utils
from fairseq.logging import metrics
from fairseq.logging.meters import MetersDict
from fairseq.models import BaseFairseqModel
from omegaconf import II
from torch import Tensor

from swcm_fairseq.criterions import scheduled_sampling as sampling
from swcm_fairseq.criterions.linear_cross_entropy import (
    CrossEntropy,
    default_chunk_rows,
    linear_cross_entropy,
    rows_per_chunk,
)
from swcm_fairseq.criterions.logging_sums import Log, summed
from swcm_fairseq.criterions.schedule import Decay, TeacherForcingSchedule, Unit
from swcm_fairseq.data.language_vocabulary import LanguageVocabularies, OutputVocabulary
from swcm_fairseq.data.sample import BatchFacts, Sample, on_device
from swcm_fairseq.errors import InputError
from swcm_fairseq.options import option
from swcm_fairseq.task_protocols import HasDictionary, NamesGroups, ShowsProgress

_GROUP = "group."  # logging keys of one group: group.<what>.<name>


@dataclass
class SWCMCrossEntropyConfig(FairseqDataclass):
    """Flags of ``--criterion swcm_cross_entropy``."""

    label_smoothing: float = option(0.0, "epsilon of label smoothing; 0 means none")
    logits_memory: Optional[float] = option(
        None,
        "maximum MiB of float32 logits in memory at a time; a lower value means more and smaller matrix products "
        "(default: 256 on a CPU, enough for 3,072 rows on a GPU)",
    )
    teacher_forcing_final_ratio: float = option(
        1.0,
        "share of reference tokens in the decoder input after the decay; the rest are the model's "
        "predictions (scheduled sampling). 1 means teacher forcing throughout",
    )
    teacher_forcing_decay: Decay = option(
        Decay.linear, "curve along which the share of reference tokens falls from 1 to its final value"
    )
    teacher_forcing_decay_unit: Unit = option(Unit.updates, "unit of the start and the end of the decay")
    teacher_forcing_decay_start: float = option(
        0.0, "updates or epochs of plain teacher forcing before the decay; the paper uses 1 epoch"
    )
    teacher_forcing_decay_end: Optional[float] = option(
        None, "updates or epochs after which the final ratio is reached (default: --max-update or --max-epoch)"
    )
    share_dropout: bool = option(False, "use the same dropout masks in both decoder passes of scheduled sampling")
    first_pass_sampling: bool = option(
        False, "draw predictions from the distribution instead of taking the most probable token"
    )
    first_pass_temperature: float = option(1.0, "temperature of --first-pass-sampling")
    first_pass_topk: int = option(
        0, "with --first-pass-sampling, draw only among this many most probable tokens; 0 means all"
    )
    restrict_vocabulary: bool = option(
        False,
        "restrict the softmax to special symbols and the words that the target language uses; needs "
        "batches with a single target language (--group-batches-by language)",
    )
    sentence_avg: bool = II("optimization.sentence_avg")
    seed: int = II("common.seed")
    max_update: int = II("optimization.max_update")
    max_epoch: int = II("optimization.max_epoch")


@register_criterion("swcm_cross_entropy", dataclass=SWCMCrossEntropyConfig)
class SWCMCrossEntropyCriterion(FairseqCriterion):
    """The loss of fairseq's ``label_smoothed_cross_entropy``, computed without storing the logits.

    The criterion calls the model once and passes it two functions: ``output_head`` computes the loss from the features,
    and ``sample_inputs`` mixes the decoder input after a first pass.

    Raises:
        InputError: a flag is out of range.
    """

    def __init__(self, cfg: SWCMCrossEntropyConfig, task: HasDictionary):
        super().__init__(task)
        self.cfg = cfg
        check(cfg)
        self.unit = Unit[cfg.teacher_forcing_decay_unit.name]
        self.schedule = TeacherForcingSchedule(
            Decay[cfg.teacher_forcing_decay.name],
            cfg.teacher_forcing_decay_start,
            self._decay_end(),
            cfg.teacher_forcing_final_ratio,
        )
        self.prediction = sampling.Prediction(cfg.first_pass_sampling, cfg.first_pass_temperature, cfg.first_pass_topk)
        self.vocabularies = LanguageVocabularies(task)

    def _decay_end(self) -> float:
        if self.cfg.teacher_forcing_decay_end is not None:
            return self.cfg.teacher_forcing_decay_end
        return self.cfg.max_update if self.unit is Unit.updates else self.cfg.max_epoch

    def position(self, model: BaseFairseqModel) -> float:
        """The position in training, in the unit of the schedule; it depends only on state that checkpoints restore.

        Raises:
            InputError: the unit is epochs, and the task does not expose its iterator.
        """
        if self.unit is Unit.updates:
            return model.num_updates
        iterator = self.task.train_iterator if isinstance(self.task, ShowsProgress) else None
        if iterator is None:
            raise InputError("--teacher-forcing-decay-unit epochs does not work with this task; use updates")
        return iterator.epoch - 1 + min(1.0, iterator.iterations_in_epoch / len(iterator))

    def teacher_forcing_ratio(self, model: BaseFairseqModel) -> float:
        """The share of reference tokens for this batch; validation always uses teacher forcing."""
        if self.schedule.constant or not model.training:
            return 1.0
        return self.schedule.ratio(self.position(model))

    def forward(self, model: BaseFairseqModel, sample: Sample) -> tuple[Tensor, int, Log]:
        """The loss (0-dim, a sum), the sample size to divide it by, and the logging output."""
        if not hasattr(model, "num_updates"):
            raise InputError("--criterion swcm_cross_entropy needs a model of this package, such as --arch xlm_swcm")
        batch = Batch(self, sample)
        ratio = self.teacher_forcing_ratio(model)
        mixer = InputMixer(batch, ratio, model.num_updates) if ratio < 1.0 else None
        padding = {"source_padded": batch.facts.source_padded, "left_padded": batch.facts.left_padded}
        entropy, _ = model(
            **sample["net_input"],
            **(padding if "facts" in sample else {}),
            output_head=batch.cross_entropy,
            sample_inputs=mixer,
            share_dropout=self.cfg.share_dropout,
        )
        sample_size = batch.target.size(0) if self.cfg.sentence_avg else sample["ntokens"]
        logging_output = {
            "loss": entropy.loss.detach().clone(),
            "nll_loss": entropy.nll,
            "ntokens": sample["ntokens"],
            "nsentences": batch.target.size(0),
            "sample_size": sample_size,
            "batches": 1,
            "teacher_forcing": ratio,
            "replaceable": int(batch.facts.replaceable.sum()),
            "outside_vocabulary": batch.outside,
            **(mixer.counts if mixer else batch.no_counts()),
            **batch.group_sums(entropy),
        }
        return entropy.loss, sample_size, logging_output

    @classmethod
    def reduce_metrics(cls, logging_outputs: list[Log]) -> None:
        """Log ratios of the sums over workers and batches; losses are in base 2, as in fairseq's criterions."""
        total = summed(logging_outputs)

        def log_ratio(name: str, part: str, whole: str) -> None:
            if total[whole]:
                metrics.log_scalar(name, total[part] / total[whole], total[whole], priority=30, round=4)

        metrics.log_scalar("loss", total["loss"] / total["sample_size"] / math.log(2), total["sample_size"], round=3)
        _log_nll("", total["nll_loss"], total["ntokens"])
        log_ratio("teacher_forcing", "teacher_forcing", "batches")
        log_ratio("replaced", "replaced", "replaceable")
        log_ratio("first_pass_accuracy", "first_pass_correct", "replaced")
        log_ratio("first_pass_in_language", "first_pass_inside", "first_pass_known")
        if total["outside_vocabulary"]:
            log_ratio("outside_vocabulary", "outside_vocabulary", "ntokens")
        for key in total:
            if key.startswith(f"{_GROUP}ntokens.") and total[key]:
                name = key.removeprefix(f"{_GROUP}ntokens.")
                _log_group(name, total[f"{_GROUP}loss.{name}"], total[f"{_GROUP}nll_loss.{name}"], total[key])

    @staticmethod
    def logging_outputs_can_be_summed() -> bool:
        """True, because every value is a sum and all workers have the same keys."""
        return True


def check(cfg: SWCMCrossEntropyConfig) -> None:
    """Raise :class:`InputError` for a flag that is out of range."""
    if not 0.0 <= cfg.label_smoothing < 1.0:
        raise InputError(f"--label-smoothing {cfg.label_smoothing}: give a number of at least 0 and below 1")
    if cfg.logits_memory is not None and not (math.isfinite(cfg.logits_memory) and cfg.logits_memory > 0):
        raise InputError(f"--logits-memory {cfg.logits_memory}: give a positive number of MiB")
    if not (math.isfinite(cfg.first_pass_temperature) and cfg.first_pass_temperature > 0):
        raise InputError(f"--first-pass-temperature {cfg.first_pass_temperature}: give a positive number")
    if cfg.first_pass_topk < 0:
        raise InputError(f"--first-pass-topk {cfg.first_pass_topk}: give 0 or more (0 means all tokens)")


def _log_group(name: str, loss: float, nll: float, ntokens: float) -> None:
    """Log ``<name>_loss``, ``_nll_loss`` (base 2, per token), ``_ppl`` and ``_ntokens``."""
    metrics.log_scalar(f"{name}_loss", loss / ntokens / math.log(2), ntokens, priority=40, round=3)
    _log_nll(f"{name}_", nll, ntokens, priority=41)
    metrics.log_scalar_sum(f"{name}_ntokens", ntokens, priority=43)


def _log_nll(prefix: str, nll: float, ntokens: float, priority: int = 10) -> None:
    """Log ``<prefix>nll_loss`` (base 2, per token) and ``<prefix>ppl``."""
    key = f"{prefix}nll_loss"
    metrics.log_scalar(key, nll / ntokens / math.log(2), ntokens, priority=priority, round=3)

    def perplexity(meters: MetersDict) -> float | None:
        mean = meters[key].avg
        return None if mean is None else utils.get_perplexity(mean)  # None if there was no token since the last log

    metrics.log_derived(f"{prefix}ppl", perplexity, priority=priority + 1)


class Batch:
    """One batch and the values that the criterion derives from it.

    Attributes:
        target: int64 [B, T].
        facts: facts about the batch, on the CPU.
        counted: int64 [N], flat positions in ``target`` that are in the loss.
        outside: number of target words outside the vocabulary of the language; they are added for this batch.
    """

    def __init__(self, criterion: SWCMCrossEntropyCriterion, sample: Sample):
        self.criterion, self.sample = criterion, sample
        self.target: Tensor = sample["target"]
        # Batches of other tasks have no facts; computing them here waits for the GPU.
        self.facts: BatchFacts = sample["facts"] if "facts" in sample else BatchFacts.of(sample, criterion.padding_idx)
        self.counted = on_device(self.facts.counted, self.target.device)
        self.outside = 0
        self._vocabulary: OutputVocabulary | None = None
        has_groups = isinstance(criterion.task, NamesGroups) and "group" in sample
        self.group_names: list[str] = criterion.task.group_names if has_groups else []

    def no_counts(self) -> Log:
        """The counts of :class:`InputMixer` if nothing is replaced; workers add them up, so types must agree."""
        replaced, *others = InputMixer.COUNTS
        return {replaced: 0, **dict.fromkeys(others, self.target.new_zeros(()))}

    def vocabulary(self, output_weight: Tensor) -> OutputVocabulary | None:
        """The words in the softmax; None means all."""
        if self._vocabulary is None and self.criterion.cfg.restrict_vocabulary:
            if "tgt_lang_id" not in self.sample:
                raise InputError(
                    "--restrict-vocabulary: this task does not name the target language of its samples; use --task "
                    "multilingual_denoising_mt"
                )
            self._vocabulary, self.outside = self.criterion.vocabularies.output_vocabulary(
                self.facts.target_langs, self.facts.words, output_weight.device
            )
        return self._vocabulary

    def chunk_rows(self, output_weight: Tensor) -> int:
        """The number of rows whose logits are in memory at a time."""
        memory = self.criterion.cfg.logits_memory
        if memory is None:
            return default_chunk_rows(output_weight.size(0), output_weight.device)
        return rows_per_chunk(output_weight.size(0), memory)

    def cross_entropy(self, features: Tensor, output_weight: Tensor) -> CrossEntropy:
        """The loss, given ``features`` [B, T, C] and ``output_weight`` [V, C]."""
        vocabulary, target = self.vocabulary(output_weight), self.target.flatten().index_select(0, self.counted)
        if vocabulary is not None:
            output_weight, target = vocabulary.weight(output_weight), vocabulary.local(target)
        return linear_cross_entropy(
            features.flatten(0, 1).index_select(0, self.counted),
            output_weight,
            target,
            self.criterion.cfg.label_smoothing,
            self.chunk_rows(output_weight),
            per_row=len(self.group_names) > 1,
        )

    def group_sums(self, entropy: CrossEntropy) -> Log:
        """Tokens, loss and nll of each of the task's groups; all workers have the same keys."""
        names = self.group_names
        if not names:
            return {}
        if entropy.row_loss is None or entropy.row_nll is None:
            tokens = entropy.nll.new_full((), len(self.counted))
            return _group_keys(names, tokens, entropy.loss.detach(), entropy.nll)
        group = self.sample["group"].index_select(0, self.counted // self.target.size(1))
        zeros, ones = entropy.nll.new_zeros(len(names)), torch.ones_like(entropy.row_nll)
        return _group_keys(
            names, *(zeros.index_add(0, group, row) for row in (ones, entropy.row_loss, entropy.row_nll))
        )


def _group_keys(names: list[str], *sums: Tensor) -> Log:
    """Logging keys for the columns of tokens, loss and nll (one number per group)."""
    columns = zip(("ntokens", "loss", "nll_loss"), sums, strict=True)
    return {
        f"{_GROUP}{what}.{name}": n for what, column in columns for name, n in zip(names, column.flatten(), strict=True)
    }


class InputMixer:
    """Replaces a random part of one batch's decoder input with predictions of the model.

    Attributes:
        counts: sums over the replaced positions, an int and three 0-dim int64 tensors: the number of positions, of
            predictions equal to the reference, of predictions that are words of the target language, and of predictions
            for which this is known.
    """

    COUNTS = ("replaced", "first_pass_correct", "first_pass_inside", "first_pass_known")

    def __init__(self, batch: Batch, ratio: float, update: int):
        self.batch, self.ratio = batch, ratio
        self.counts: Log = {}
        seed, rank = batch.criterion.cfg.seed, distributed_utils.get_global_rank()
        key = sampling.batch_key(seed, update, rank, batch.facts.ids)
        self.generator = sampling.seeded_generator(torch.device("cpu"), *key)
        self.drawing = (
            self.generator
            if batch.target.device.type == "cpu"
            else sampling.seeded_generator(batch.target.device, *key)
        )

    @torch.no_grad()
    def __call__(self, features: Tensor, output_weight: Tensor, prev_output_tokens: Tensor) -> Tensor:
        """The mixed ``prev_output_tokens`` [B, T], given ``features`` [B, T, C] of the first pass."""
        replaceable = torch.from_numpy(self.batch.facts.replaceable)
        positions = sampling.draw_positions(replaceable, self.ratio, self.generator).numpy()
        places = on_device(np.flatnonzero(positions), features.device)
        tokens = self._predict(sampling.features_before(features, places), output_weight)
        self._count(places, tokens, prev_output_tokens.flatten().index_select(0, places))
        return sampling.mix_inputs(prev_output_tokens, on_device(positions, features.device), tokens)

    def _predict(self, features: Tensor, output_weight: Tensor) -> Tensor:
        """Predicted tokens [N] for ``features`` [N, C]."""
        criterion = self.batch.criterion
        never = [criterion.padding_idx, criterion.task.target_dictionary.bos()]
        forbidden = on_device(np.array(never), features.device)
        vocabulary = self.batch.vocabulary(output_weight)
        if vocabulary is not None:
            output_weight, forbidden = vocabulary.weight(output_weight), vocabulary.local(forbidden)
        rows = self.batch.chunk_rows(output_weight)
        tokens = sampling.predict(features, output_weight, forbidden, criterion.prediction, self.drawing, rows)
        return tokens if vocabulary is None else vocabulary.ids[tokens]

    def _count(self, places: Tensor, tokens: Tensor, reference: Tensor) -> None:
        inside = known = tokens.new_zeros(())
        if self.batch.facts.target_langs:
            langs = self.batch.sample["tgt_lang_id"].index_select(0, places // self.batch.target.size(1))
            vocabularies = self.batch.criterion.vocabularies
            inside, known = vocabularies.share_known(tokens, langs, self.batch.facts.target_langs)
        counts = (len(places), tokens.eq(reference).sum(), inside, known)
        self.counts = dict(zip(self.COUNTS, counts, strict=True))
