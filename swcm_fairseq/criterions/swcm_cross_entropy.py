"""Label-smoothed cross entropy with scheduled sampling, for large vocabularies."""

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from fairseq import utils
from fairseq.criterions import FairseqCriterion, register_criterion
from fairseq.dataclass import FairseqDataclass
from fairseq.distributed import utils as distributed_utils
from fairseq.logging import metrics
from fairseq.models import BaseFairseqModel
from omegaconf import II
from torch import Tensor

from swcm_fairseq.criterions import scheduled_sampling as sampling
from swcm_fairseq.criterions.linear_cross_entropy import CrossEntropy, linear_cross_entropy, rows_per_chunk
from swcm_fairseq.criterions.schedule import Decay, TeacherForcingSchedule
from swcm_fairseq.errors import InputError

_GROUP = "group."  # logging keys of one group: group.<what>.<name>


@dataclass
class SWCMCrossEntropyConfig(FairseqDataclass):
    """Flags of ``--criterion swcm_cross_entropy``."""

    label_smoothing: float = field(default=0.0, metadata={"help": "epsilon of label smoothing; 0 means none"})
    logits_memory: float = field(
        default=256.0,
        metadata={"help": "MiB of logits that exist at one time; less memory means more, smaller matrix products"},
    )
    teacher_forcing_final_ratio: float = field(
        default=1.0,
        metadata={
            "help": "share of reference tokens among the decoder's inputs when the decay has ended; the rest are "
            "the model's own predictions (scheduled sampling). 1 is teacher forcing throughout"
        },
    )
    teacher_forcing_decay: Decay = field(
        default=Decay.linear, metadata={"help": "curve on which the share falls from 1 to its final value"}
    )
    teacher_forcing_decay_start_update: int = field(
        default=0, metadata={"help": "update at which the decay starts (before it: teacher forcing)"}
    )
    teacher_forcing_decay_end_update: int = field(
        default=II("optimization.max_update"),
        metadata={"help": "update at which the final ratio is reached (default: --max-update)"},
    )
    share_dropout: bool = field(
        default=False, metadata={"help": "both decoder passes of scheduled sampling use the same dropout masks"}
    )
    first_pass_sampling: bool = field(
        default=False, metadata={"help": "predictions are drawn from the distribution instead of the most probable"}
    )
    first_pass_temperature: float = field(default=1.0, metadata={"help": "temperature of --first-pass-sampling"})
    first_pass_topk: int = field(
        default=0, metadata={"help": "--first-pass-sampling draws among this many most probable tokens; 0 means all"}
    )
    sentence_avg: bool = II("optimization.sentence_avg")
    seed: int = II("common.seed")


@register_criterion("swcm_cross_entropy", dataclass=SWCMCrossEntropyConfig)
class SWCMCrossEntropyCriterion(FairseqCriterion):
    """The loss of fairseq's ``label_smoothed_cross_entropy``, computed without the logits.

    Everything happens in one forward of the model: it is given what to do with its features (``output_head``) and
    how to mix the decoder's input after a first pass (``sample_inputs``).

    Raises:
        InputError: a flag is out of its range.
    """

    def __init__(self, cfg: SWCMCrossEntropyConfig, task: Any):
        super().__init__(task)
        self.cfg = cfg
        if not 0.0 <= cfg.label_smoothing < 1.0:
            raise InputError(f"--label-smoothing {cfg.label_smoothing} is outside [0, 1)")
        if cfg.logits_memory <= 0:
            raise InputError(f"--logits-memory {cfg.logits_memory} is not positive; give MiB")
        if cfg.first_pass_temperature <= 0 or cfg.first_pass_topk < 0:
            raise InputError("--first-pass-temperature must be positive and --first-pass-topk 0 or more")
        self.schedule = TeacherForcingSchedule(
            Decay(str(getattr(cfg.teacher_forcing_decay, "value", cfg.teacher_forcing_decay))),
            cfg.teacher_forcing_decay_start_update,
            cfg.teacher_forcing_decay_end_update,
            cfg.teacher_forcing_final_ratio,
        )
        self.prediction = sampling.Prediction(
            cfg.first_pass_sampling,
            cfg.first_pass_temperature,
            cfg.first_pass_topk,
            forbidden=(self.padding_idx, task.target_dictionary.bos()),
        )

    def forward(self, model: BaseFairseqModel, sample: dict[str, Any]) -> tuple[Tensor, int, dict[str, Any]]:
        """The loss (0-dim, a sum), the sample size that it is to be divided by, and what is logged."""
        ratio = self.schedule.ratio(model.num_updates) if model.training and not self.schedule.constant else 1.0
        mixer = InputMixer(self, model, sample, ratio) if ratio < 1.0 else None
        target = sample["target"]
        counts = target.ne(self.padding_idx)

        def output_head(features: Tensor, output_weight: Tensor) -> CrossEntropy:
            return linear_cross_entropy(
                features[counts],
                output_weight,
                target[counts],
                self.cfg.label_smoothing,
                self.chunk_rows(output_weight),
            )

        (loss, nll), _ = model(
            **sample["net_input"],
            output_head=output_head,
            sample_inputs=mixer,
            share_dropout=self.cfg.share_dropout,
        )
        sample_size = target.size(0) if self.cfg.sentence_avg else sample["ntokens"]
        logging_output = {
            "loss": loss.detach(),
            "nll_loss": nll.sum(),
            "ntokens": sample["ntokens"],
            "nsentences": target.size(0),
            "sample_size": sample_size,
            "batches": 1,
            "teacher_forcing": ratio,
            **self.sampling_log(sample, mixer),
            **self.group_log(sample, counts, nll),
        }
        return loss, sample_size, logging_output

    def chunk_rows(self, output_weight: Tensor) -> int:
        """Rows whose logits exist at one time."""
        return rows_per_chunk(output_weight.size(0), self.cfg.logits_memory)

    def replaceable(self, sample: dict[str, Any]) -> Tensor:
        """See :func:`scheduled_sampling.replaceable_positions`."""
        tokens = sample["net_input"]["prev_output_tokens"]
        return sampling.replaceable_positions(tokens, sample["target"], self.padding_idx)

    def sampling_log(self, sample: dict[str, Any], mixer: "InputMixer | None") -> dict[str, Any]:
        """Sums about scheduled sampling; the same keys whether it is at work or not."""
        zero = sample["target"].new_zeros(())
        return {
            "replaceable": self.replaceable(sample).sum(),
            "replaced": mixer.replaced if mixer else zero,
            "first_pass_correct": mixer.correct if mixer else zero,
        }

    def group_log(self, sample: dict[str, Any], counts: Tensor, nll: Tensor) -> dict[str, Any]:
        """Tokens and nll of each of the task's groups: one key for each, on every worker, whatever the batch has."""
        names = getattr(self.task, "group_names", None)
        if not names or "group" not in sample:
            return {}
        group = sample["group"].unsqueeze(1).expand_as(counts)[counts]
        tokens = torch.bincount(group, minlength=len(names))
        sums = nll.new_zeros(len(names)).index_add_(0, group, nll)
        return {f"{_GROUP}ntokens.{name}": tokens[i] for i, name in enumerate(names)} | {
            f"{_GROUP}nll_loss.{name}": sums[i] for i, name in enumerate(names)
        }

    @classmethod
    def reduce_metrics(cls, logging_outputs: list[dict[str, Any]]) -> None:
        """Log ratios of the sums over workers and batches; losses in base 2, as fairseq's criterions do."""
        total = {key: sum(utils.item(log[key]) for log in logging_outputs) for key in logging_outputs[0]}
        metrics.log_scalar("loss", total["loss"] / total["sample_size"] / math.log(2), total["sample_size"], round=3)
        _log_nll("", total["nll_loss"], total["ntokens"])
        for key in total:
            if key.startswith(f"{_GROUP}ntokens.") and total[key]:
                name = key.removeprefix(f"{_GROUP}ntokens.")
                _log_nll(f"{name}_", total[f"{_GROUP}nll_loss.{name}"], total[key])
        metrics.log_scalar("teacher_forcing", total["teacher_forcing"] / total["batches"], total["batches"], round=4)
        if total["replaceable"]:
            share = total["replaced"] / total["replaceable"]
            metrics.log_scalar("replaced", share, total["replaceable"], round=4)
        if total["replaced"]:
            accuracy = total["first_pass_correct"] / total["replaced"]
            metrics.log_scalar("first_pass_accuracy", accuracy, total["replaced"], round=4)

    @staticmethod
    def logging_outputs_can_be_summed() -> bool:
        """True: every value is a sum, and the keys are the same on every worker."""
        return True


def _log_nll(prefix: str, nll: float, ntokens: float) -> None:
    """Log ``<prefix>nll_loss`` in base 2 and ``<prefix>ppl``."""
    key = f"{prefix}nll_loss"
    metrics.log_scalar(key, nll / ntokens / math.log(2), ntokens, round=3)
    metrics.log_derived(f"{prefix}ppl", lambda meters: utils.get_perplexity(meters[key].avg))


class InputMixer:
    """Replaces a random part of one batch's target-side inputs by what the model predicts.

    Attributes:
        replaced: 0-dim int64, how many positions were replaced.
        correct: 0-dim int64, for how many of these the prediction is the reference.
    """

    def __init__(self, criterion: SWCMCrossEntropyCriterion, model: BaseFairseqModel, sample: dict, ratio: float):
        self.criterion = criterion
        self.ratio = ratio
        self.replaceable = criterion.replaceable(sample)
        rank = distributed_utils.get_global_rank()
        key = sampling.batch_key(criterion.cfg.seed, model.num_updates, rank, sample["id"])
        self.generator = sampling.seeded_generator(sample["target"].device, *key)

    @torch.no_grad()
    def __call__(self, features: Tensor, output_weight: Tensor, prev_output_tokens: Tensor) -> Tensor:
        """The mixed ``prev_output_tokens`` [B, T], given the first pass's ``features`` [B, T, C]."""
        positions = sampling.draw_positions(self.replaceable, self.ratio, self.generator)
        predictions = sampling.predict(
            sampling.features_before(features, positions),
            output_weight,
            self.criterion.prediction,
            self.generator,
            self.criterion.chunk_rows(output_weight),
        )
        self.replaced = positions.sum()
        self.correct = predictions.eq(prev_output_tokens[positions]).sum()
        return sampling.mix_inputs(prev_output_tokens, positions, predictions)
