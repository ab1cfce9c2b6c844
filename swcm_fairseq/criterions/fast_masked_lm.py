"""Masked language modelling over the vocabulary of one language at a time (CINO, Yang et al. 2022, section 3.2.2)."""

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
    """fairseq's ``masked_lm`` with the softmax over the pieces of the batch's language (equation 4).

    The logits of the other pieces are not computed. A masked piece outside the language's vocabulary is added for its
    batch and counted in the log as ``outside_vocabulary``.
    """

    def __init__(self, cfg: MaskedLmConfig, task: FairseqTask):
        """Raise :class:`InputError` if the task does not know the languages of its samples."""
        super().__init__(cfg, task)
        if not isinstance(task, KeepsLanguagesApart):
            raise InputError("--criterion fast_masked_lm: this task has no languages; use --task corpora_masked_lm")
        task.keep_languages_apart()
        self.vocabularies = LanguageVocabularies(task, task.langs.__getitem__)

    def forward(self, model: BaseFairseqModel, sample: Sample, reduce: bool = True):
        """The loss (0-dim, a sum), the number of predicted tokens, and what is logged."""
        encoder = model.encoder
        if not isinstance(encoder, RobertaEncoder):
            raise InputError(
                "--criterion fast_masked_lm needs a model with RoBERTa's head, such as --arch roberta_base"
            )
        predicted = sample["target"][sample["target"].ne(self.padding_idx)]
        vocabulary, outside = self.vocabularies.output_vocabulary(
            sorted(set(sample["lang"].tolist())), predicted.cpu().numpy(), encoder.lm_head.weight.device
        )
        local = {**sample, "target": vocabulary.local(sample["target"])}  # specials, padding included, keep their ids
        loss, sample_size, log = super().forward(RestrictedOutput(model, vocabulary), local, reduce)
        return loss, sample_size, {**log, "outside_vocabulary": outside}

    @staticmethod
    def reduce_metrics(logging_outputs: list[Log]) -> None:
        """fairseq's, and the share of predicted tokens that are outside their language's vocabulary."""
        MaskedLmLoss.reduce_metrics(logging_outputs)
        predicted, outside = (sum(log[key] for log in logging_outputs) for key in ("sample_size", "outside_vocabulary"))
        if outside:
            metrics.log_scalar("outside_vocabulary", outside / predicted, predicted, round=4)


class RestrictedOutput:
    """A RoBERTa model as its criterion calls it, whose output only has the words of one vocabulary."""

    def __init__(self, model: BaseFairseqModel, vocabulary: OutputVocabulary):
        self.model, self.vocabulary = model, vocabulary

    def __call__(self, masked_tokens: Tensor | None = None, **net_input: Tensor) -> tuple[Tensor, dict[str, object]]:
        """Logits [N, R] of the ``masked_tokens``, bool [B, T] (None: [B, T, R]), and what the encoder adds."""
        features, extra = self.model(**net_input, features_only=True)
        head = self.model.encoder.lm_head
        rows = {"weight": self.vocabulary.weight(head.weight), "bias": self.vocabulary.weight(head.bias)}
        return torch.func.functional_call(head, rows, (features,), {"masked_tokens": masked_tokens}), extra

    def get_targets(self, sample: Sample, net_output: object) -> Tensor:
        """The sample's targets, int64 [B, T]."""
        return self.model.get_targets(sample, net_output)
