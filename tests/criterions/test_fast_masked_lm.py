"""The softmax over the pieces of one language: its values, the work it saves, and refused inputs."""

from argparse import Namespace

import numpy as np
import pytest
import torch
from fairseq import modules
from fairseq.criterions.masked_lm import MaskedLmConfig, MaskedLmLoss
from fairseq.logging import metrics
from fairseq.models.roberta import RobertaModel
from fairseq.models.roberta.model import base_architecture
from omegaconf import OmegaConf

from swcm_fairseq.criterions.fast_masked_lm import FastMaskedLMCriterion
from swcm_fairseq.data.corpora import Corpora, pack_counts
from swcm_fairseq.errors import InputError
from swcm_fairseq.tasks.corpora_masked_lm import CorporaMaskedLMConfig, CorporaMaskedLMTask
from tests.tasks.conftest import NODES
from tests.tasks.task_data import PIECES, fill

SIZE = len(PIECES) + 4
BO = range(4, 20)  # pieces counted in the text in bo; zh has all pieces


@pytest.fixture(scope="module")
def counted(tmp_path_factory):
    directory = fill(tmp_path_factory.mktemp("counted"))
    corpora = Corpora.read(directory)
    for corpus in corpora.corpora:
        pieces = BO if corpus.name == "bo" else range(SIZE) if corpus.name == "zh" else []
        corpus.splits["train"].source_pieces = pack_counts(np.isin(np.arange(SIZE), pieces).astype(int))
    corpora.write(directory)
    return directory


def make_task(directory, **options):
    values = {"data": str(directory), "seed": 1, "train_subset": "train", **NODES, **options}
    known = {key: values[key] for key in CorporaMaskedLMConfig.__dataclass_fields__ if key in values}
    return CorporaMaskedLMTask(OmegaConf.merge(OmegaConf.structured(CorporaMaskedLMConfig), known))


def make_model(task, seed=0):
    torch.manual_seed(seed)
    args = Namespace(encoder_layers=1, encoder_embed_dim=16, encoder_ffn_embed_dim=32, encoder_attention_heads=2)
    args.dropout = args.attention_dropout = 0.0
    args.max_positions = 40
    base_architecture(args)
    model = RobertaModel.build_model(args, task)
    torch.nn.init.normal_(model.encoder.lm_head.bias)
    return model


def batches(task):
    task.load_dataset("train")
    dataset = task.dataset("train")
    parts = dataset.batch_by_size(dataset.ordered_indices(), max_sentences=8)
    return [dataset.collater([dataset[i] for i in part]) for part in parts]


def batch_in(task, lang):
    return next(batch for batch in batches(task) if (batch["lang"] == task.langs.index(lang)).all())


def loss_and_gradients(model, criterion, batch):
    model.zero_grad()
    loss, size, log = criterion(model, batch)
    loss.backward()
    return loss.detach(), size, log, {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def test_the_whole_vocabulary_is_fairseqs_masked_lm(counted):
    task = make_task(counted)
    fast, stock = FastMaskedLMCriterion(MaskedLmConfig(), task), MaskedLmLoss(MaskedLmConfig(), task)
    model, batch = make_model(task), batch_in(task, "zh")
    loss, size, log, gradients = loss_and_gradients(model, fast, batch)
    expected = loss_and_gradients(model, stock, batch)
    assert torch.equal(loss, expected[0]) and size == expected[1]
    assert log.pop("outside_vocabulary") == 0 and log == expected[2]
    assert gradients.keys() == expected[3].keys()
    assert all(torch.equal(gradients[name], gradient) for name, gradient in expected[3].items())


def test_the_softmax_runs_over_the_language_and_other_logits_are_not_computed(counted, monkeypatch):
    """Equation 4; masked pieces that were not counted are added to the vocabulary of their batch."""
    task = make_task(counted)
    criterion = FastMaskedLMCriterion(MaskedLmConfig(), task)
    model, batch = make_model(task), batch_in(task, "bo")
    widths = []
    plain = modules.cross_entropy
    monkeypatch.setattr(modules, "cross_entropy", lambda x, *a, **k: widths.append(x.size(-1)) or plain(x, *a, **k))
    loss, _, log, gradients = loss_and_gradients(model, criterion, batch)
    predicted = batch["target"].ne(task.dictionary.pad())
    target = batch["target"][predicted]
    kept = sorted({0, 1, 2, 3, *BO, task.dictionary.index("<mask>"), *target.tolist()})
    assert widths == [len(kept)] and len(kept) < len(task.dictionary)
    assert log["outside_vocabulary"] == (target >= 20).sum() > 0
    model.zero_grad()
    logits = model(**batch["net_input"], masked_tokens=predicted)[0]
    excluded = [i for i in range(len(task.dictionary)) if i not in kept]
    logits[:, excluded] = -torch.inf
    expected = torch.nn.functional.cross_entropy(logits, target, reduction="sum")
    expected.backward()
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-6, atol=0)
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            torch.testing.assert_close(gradients[name], parameter.grad, rtol=1e-4, atol=1e-5)


def test_the_criterion_itself_separates_languages(counted):
    task = make_task(counted)
    FastMaskedLMCriterion(MaskedLmConfig(), task)
    langs = [set(batch["lang"].tolist()) for batch in batches(task)]
    assert all(len(lang) == 1 for lang in langs) and set.union(*langs) == {0, 1}
    mixed = [set(batch["lang"].tolist()) for batch in batches(make_task(counted))]
    assert {0, 1} in mixed


def test_group_batches_by_language(counted):
    task = make_task(counted, group_batches_by="language")
    assert all(len(batch["lang"].unique()) == 1 for batch in batches(task))


def test_bad_input_is_refused(counted, tmp_path):
    task = make_task(counted)
    with pytest.raises(InputError, match="this task has no languages; use --task corpora_masked_lm"):
        FastMaskedLMCriterion(MaskedLmConfig(), Namespace(target_dictionary=task.target_dictionary))
    criterion = FastMaskedLMCriterion(MaskedLmConfig(), task)
    with pytest.raises(InputError, match="needs a model with RoBERTa's head"):
        criterion(Namespace(encoder=Namespace()), {})
    mixed = next(batch for batch in batches(make_task(counted)) if len(batch["lang"].unique()) > 1)
    with pytest.raises(InputError, match="a batch mixes the target languages bo zh"):
        criterion(make_model(task), mixed)
    uncounted = make_task(fill(tmp_path / "uncounted"))
    criterion = FastMaskedLMCriterion(MaskedLmConfig(), uncounted)
    with pytest.raises(InputError, match="no counts for bo; write them with swcm binarize"):
        criterion(make_model(uncounted), batch_in(uncounted, "bo"))


def test_the_log_has_the_share_outside(counted):
    log = {"loss": 4.0, "ntokens": 9, "nsentences": 2, "sample_size": 8, "outside_vocabulary": 2}
    with metrics.aggregate() as found:
        FastMaskedLMCriterion.reduce_metrics([log, log])
    assert found["outside_vocabulary"].avg == 0.25
