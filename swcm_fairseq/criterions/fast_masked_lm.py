"""Masked language modeling over the vocabulary of one language at a time (CINO, Yang et al. 2022, section 3.2.2)."""

import torch
from fairseq.criterions import register_criterion
from fairseq.criterions.masked_lm import MaskedLmConfig, MaskedLmLoss
from fairseq.logging import metrics
from fairseq.models import BaseFairseqModel
from fairseq.models.roberta.model import RobertaEncoder
from fairseq.tasks import FairseqTask
from torch import Tensor

from swcm_fairseq.criterions.logging_sums import Log
from swcm_fairseq.data.language_vocabulary import LanguageVocabularies, OutputVocabulary
from swcm_fairseq.data.sample import Sample
from swcm_fairseq.errors import InputError
from swcm_fairseq.task_protocols import KeepsLanguagesApart


@register_criterion("fast_masked_lm", dataclass=MaskedLmConfig)
class FastMaskedLMCriterion(MaskedLmLoss):
    """fairseq's ``masked_lm`` with a softmax over only the pieces of the batch's language (equation 4).

    The logits of all other pieces are not computed. If a masked piece is not in the vocabulary of the language, it is
    added for this batch and logged as ``outside_vocabulary``.
    """

    def __init__(self, cfg: MaskedLmConfig, task: FairseqTask):
        """Raises :class:`InputError` if the task does not know the languages of its samples."""
        super().__init__(cfg, task)
        if not isinstance(task, KeepsLanguagesApart):
            raise InputError("--criterion fast_masked_lm: this task has no languages; use --task corpora_masked_lm")
        task.keep_languages_apart()
        self.vocabularies = LanguageVocabularies(task, task.langs.__getitem__)

    def forward(self, model: BaseFairseqModel, sample: Sample, reduce: bool = True):
        """The loss (0-dim, a sum), the number of predicted tokens, and the logging output."""
        encoder = model.encoder
        if not isinstance(encoder, RobertaEncoder):
            raise InputError(
                "--criterion fast_masked_lm needs a model with RoBERTa's head, such as --arch roberta_base"
            )
        predicted = sample["target"][sample["target"].ne(self.padding_idx)]
        vocabulary, outside = self.vocabularies.output_vocabulary(
            sorted(set(sample["lang"].tolist())), predicted.cpu().numpy(), encoder.lm_head.weight.device
        )
        local = {**sample, "target": vocabulary.local(sample["target"])}  # specials, including padding, keep their ids
        loss, sample_size, log = super().forward(RestrictedOutput(model, vocabulary), local, reduce)
        return loss, sample_size, {**log, "outside_vocabulary": outside}

    @staticmethod
    def reduce_metrics(logging_outputs: list[Log]) -> None:
        """As in fairseq; also log the share of predicted tokens outside the vocabulary of their language."""
        MaskedLmLoss.reduce_metrics(logging_outputs)
        predicted, outside = (sum(log[key] for log in logging_outputs) for key in ("sample_size", "outside_vocabulary"))
        if outside:
            metrics.log_scalar("outside_vocabulary", outside / predicted, predicted, round=4)


class RestrictedOutput:
    """A RoBERTa model, as the criterion calls it, with an output restricted to one vocabulary."""

    def __init__(self, model: BaseFairseqModel, vocabulary: OutputVocabulary):
        self.model, self.vocabulary = model, vocabulary

    def __call__(self, masked_tokens: Tensor | None = None, **net_input: Tensor) -> tuple[Tensor, dict[str, object]]:
        """Logits [N, R] at ``masked_tokens``, bool [B, T] (or [B, T, R] if None), and the encoder's extra output."""
        features, extra = self.model(**net_input, features_only=True)
        head = self.model.encoder.lm_head
        rows = {"weight": self.vocabulary.weight(head.weight), "bias": self.vocabulary.weight(head.bias)}
        return torch.func.functional_call(head, rows, (features,), {"masked_tokens": masked_tokens}), extra

    def get_targets(self, sample: Sample, net_output: object) -> Tensor:
        """The targets of the sample, int64 [B, T]."""
        return self.model.get_targets(sample, net_output)
