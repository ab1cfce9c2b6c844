"""The criterion with XLM-SWCM: one forward, two passes, tied and separate output matrix."""

import pytest
import torch
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion

from swcm_fairseq.models.model import XLMSWCMModel
from swcm_fairseq.models.model_config import OutputMatrix, XLMSWCMConfig
from tests import tiny
from tests.criterions.criterion_support import Task, assert_close, build_criterion, gradients, make_batch


def build(task, **options):
    torch.manual_seed(0)
    config = XLMSWCMConfig(
        **tiny.ENCODER, normal_layer_interval=1, **{"dropout": 0.0, "attention_dropout": 0.0, **options}
    )
    return XLMSWCMModel.from_config(config, task.target_dictionary).train()


@pytest.mark.parametrize("checkpoint_activations", [False, True])
@pytest.mark.parametrize("output_matrix", list(OutputMatrix))
def test_equals_the_stock_criterion(output_matrix, checkpoint_activations):
    task = Task()
    model = build(task, output_matrix=output_matrix, checkpoint_activations=checkpoint_activations)
    sample = make_batch(task, [5, 1, 9])
    ours = gradients(model, build_criterion(task, label_smoothing=0.1), sample)
    stock = gradients(model, LabelSmoothedCrossEntropyCriterion(task, False, 0.1), sample)
    torch.testing.assert_close(ours[0], stock[0], rtol=1e-5, atol=0)
    assert_close(ours[3], stock[3])


def test_shared_dropout_and_perfect_predictions_are_plain_training_bit_by_bit():
    task = Task()
    sample = make_batch(task, [5, 1, 7])
    learnt, model = build(task), build(task, dropout=0.05)
    criterion = build_criterion(task)
    optimizer = torch.optim.Adam(learnt.parameters(), lr=0.01)
    for _ in range(100):  # until it is memorized
        optimizer.zero_grad()
        criterion(learnt, sample)[0].backward()
        optimizer.step()
    model.load_state_dict(learnt.state_dict())
    model.set_num_updates(100)
    results = []
    for final_ratio in (1.0, 0.0):
        torch.manual_seed(5)
        criterion = build_criterion(task, teacher_forcing_final_ratio=final_ratio, share_dropout=True)
        results.append(gradients(model, criterion, sample))
    plain, sampled = results
    assert sampled[2]["replaced"] == sampled[2]["first_pass_correct"] == 13
    assert torch.equal(plain[0], sampled[0])
    assert all(torch.equal(gradient, sampled[3][name]) for name, gradient in plain[3].items())


def test_language_tokens_and_padding_survive_in_mixed_batches():
    task = Task()
    model = build(task)
    model.set_num_updates(100)
    lengths = [5, 1, 9, 3]
    sample = make_batch(task, lengths)
    before = sample["net_input"]["prev_output_tokens"]
    seen = []
    decode = model.decoder.forward
    model.decoder.forward = lambda tokens, **kwargs: (seen.append(tokens), decode(tokens, **kwargs))[1]
    *_, log = build_criterion(task, teacher_forcing_final_ratio=0.0)(model, sample)
    first, second = seen
    assert torch.equal(first, before)
    kept = torch.tensor([[not 2 <= t < 2 + n for t in range(before.size(1))] for n in lengths])
    assert torch.equal(second[kept], before[kept])
    assert len(set(second[:, 1].tolist())) == 3
    assert not torch.equal(second, before)
    assert log["replaced"] == sum(lengths)
