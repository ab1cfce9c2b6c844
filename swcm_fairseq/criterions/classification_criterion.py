"""The criterion ``multilingual_classification``: fairseq's ``sentence_prediction`` with F1 per language."""

import numpy as np
import torch
from fairseq.criterions import register_criterion
from fairseq.criterions.sentence_prediction import SentencePredictionConfig, SentencePredictionCriterion
from fairseq.models import BaseFairseqModel

from swcm_fairseq.data.sample import Sample
from swcm_fairseq.scoring.label_metrics import label_counts
from swcm_fairseq.task_protocols import ClassifiesLanguages

COUNTS = "label_counts"  # logging key


@register_criterion("multilingual_classification", dataclass=SentencePredictionConfig)
class MultilingualClassificationCriterion(SentencePredictionCriterion):
    """The loss of ``sentence_prediction``; in validation, also label counts, from which the task computes scores."""

    def __init__(self, cfg: SentencePredictionConfig, task: ClassifiesLanguages):
        super().__init__(cfg, task)
        self.keep_pred_and_targ = True
        self.languages, self.classes = len(task.languages), task.cfg.num_classes

    def forward(self, model: BaseFairseqModel, sample: Sample, reduce: bool = True):
        """The loss (0-dim, a sum), the number of examples, and the logging output."""
        loss, sample_size, log = super().forward(model, sample, reduce)
        if not model.training:
            predicted, target = np.array(log.pop("pred")), np.array(log.pop("targ"))
            langs = sample["lang"].numpy()
            counts = [
                label_counts(target[langs == k], predicted[langs == k], self.classes) for k in range(self.languages)
            ]
            log[COUNTS] = torch.from_numpy(np.stack(counts))
        return loss, sample_size, log
