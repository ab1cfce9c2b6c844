import pytest
import torch
from fairseq.criterions import CRITERION_REGISTRY
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.logging import metrics

from swcm_fairseq.criterions.swcm_cross_entropy import SWCMCrossEntropyConfig, SWCMCrossEntropyCriterion
from tests.criterions.support import Task, build_model, make_batch


def build(task, **options):
    defaults = {"sentence_avg": False, "seed": 1, "teacher_forcing_decay_end": 100}
    return SWCMCrossEntropyCriterion(SWCMCrossEntropyConfig(**{**defaults, **options}), task)


def gradients(model, criterion, sample):
    model.zero_grad()
    loss, size, log = criterion(model, sample)
    loss.backward()
    return loss.detach(), size, log, {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("sentence_avg", [False, True])
def test_equals_stock_label_smoothed_cross_entropy(tied, smoothing, sentence_avg):
    task = Task()
    model = build_model(task, tied)
    sample = make_batch(task, [5, 1, 9, 7])
    stock = LabelSmoothedCrossEntropyCriterion(task, sentence_avg, smoothing)
    ours = build(task, label_smoothing=smoothing, sentence_avg=sentence_avg, logits_memory=1e-3)
    loss, size, log, grads = gradients(model, ours, sample)
    expected = gradients(model, stock, sample)
    torch.testing.assert_close(loss, expected[0], rtol=1e-5, atol=0)
    assert size == expected[1] and log["ntokens"] == expected[2]["ntokens"]
    torch.testing.assert_close(log["nll_loss"], expected[2]["nll_loss"], rtol=1e-5, atol=0)
    assert grads.keys() == expected[3].keys()
    for name, gradient in grads.items():
        # the bias of the keys has the gradient 0, which comes out as 1e-7
        assert (gradient - expected[3][name]).norm() <= 1e-5 * expected[3][name].norm() + 1e-6, name


def test_only_words_are_ever_replaced():
    task = Task()
    model = build_model(task).train()
    criterion = build(task, teacher_forcing_final_ratio=0.0)
    model.set_num_updates(100)
    sample = make_batch(task, [5, 1, 9, 7])
    before = sample["net_input"]["prev_output_tokens"].clone()
    *_, log = criterion(model, sample)
    words = [5, 1, 9, 7]
    kept = torch.tensor([[not 2 <= t < 2 + n for t in range(before.size(1))] for n in words])
    assert torch.equal(model.read[kept], before[kept])
    assert log["replaced"] == log["replaceable"] == 22
    assert not model.read[~kept].eq(task.target_dictionary.pad()).any()
    assert torch.equal(sample["net_input"]["prev_output_tokens"], before)


def test_predictions_stand_one_position_later():
    task = Task()
    model = build_model(task).train()
    sample = make_batch(task, [6, 3])
    tokens = sample["net_input"]["prev_output_tokens"]
    with torch.no_grad():
        logits, _ = model(**sample["net_input"])
    logits[:, :, [task.target_dictionary.pad(), task.target_dictionary.bos()]] = -torch.inf
    expected = tokens.clone()
    for i, n in enumerate([6, 3]):
        expected[i, 2 : 2 + n] = logits[i, 1 : 1 + n].argmax(-1)
    model.set_num_updates(100)
    build(task, teacher_forcing_final_ratio=0.0)(model, sample)
    assert torch.equal(model.read, expected)


def test_validation_is_teacher_forced():
    task = Task()
    model = build_model(task).eval()
    model.set_num_updates(100)
    sample = make_batch(task, [6, 3])
    *_, log = build(task, teacher_forcing_final_ratio=0.0)(model, sample)
    assert log["replaced"] == 0 and log["teacher_forcing"] == 1.0


def test_logs_are_ratios_of_sums():
    task = Task(group_names=["dae_bo", "mt_zh-bo", "dae_ug"])
    model = build_model(task).train()
    model.set_num_updates(50)
    criterion = build(task, teacher_forcing_final_ratio=0.0)
    batches = [make_batch(task, [5, 2], [0, 1], seed=1), make_batch(task, [9], [0], seed=2, first_id=2)]
    logs = [criterion(model, batch)[2] for batch in batches]
    assert logs[0].keys() == logs[1].keys()
    with metrics.aggregate(new_root=True) as separate:
        criterion.reduce_metrics(logs)
    with metrics.aggregate(new_root=True) as summed:
        criterion.reduce_metrics([{key: sum(log[key] for log in logs) for key in logs[0]}])
    values = separate.get_smoothed_values()
    assert values == summed.get_smoothed_values()
    assert values["teacher_forcing"] == 0.5
    assert "dae_ug_ppl" not in values
    tokens = {"dae_bo": 16, "mt_zh-bo": 3}
    total = sum(values[f"{name}_nll_loss"] * n for name, n in tokens.items()) / 19
    assert values["nll_loss"] == pytest.approx(total, abs=1e-3)
    assert values["dae_bo_ppl"] == pytest.approx(2 ** values["dae_bo_nll_loss"], rel=1e-2)


def test_registered():
    assert CRITERION_REGISTRY["swcm_cross_entropy"] is SWCMCrossEntropyCriterion
    assert SWCMCrossEntropyCriterion.logging_outputs_can_be_summed()
