import pytest
import torch
from fairseq.criterions import CRITERION_REGISTRY
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.data import ListDataset
from fairseq.data.iterators import EpochBatchIterator
from fairseq.logging import metrics
from fairseq.models.transformer import TransformerModelBase

from swcm_fairseq.criterions.schedule import Decay, Unit
from swcm_fairseq.criterions.swcm_cross_entropy import SWCMCrossEntropyCriterion
from swcm_fairseq.errors import InputError
from tests.criterions.criterion_support import Task, assert_close, build_criterion, build_model, gradients, make_batch


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
@pytest.mark.parametrize("sentence_avg", [False, True])
def test_equals_stock_label_smoothed_cross_entropy(tied, smoothing, sentence_avg):
    task = Task()
    model = build_model(task, tied)
    sample = make_batch(task, [5, 1, 9, 7])
    stock = LabelSmoothedCrossEntropyCriterion(task, sentence_avg, smoothing)
    ours = build_criterion(task, label_smoothing=smoothing, sentence_avg=sentence_avg, logits_memory=1e-3)
    loss, size, log, grads = gradients(model, ours, sample)
    expected = gradients(model, stock, sample)
    torch.testing.assert_close(loss, expected[0], rtol=1e-5, atol=0)
    assert size == expected[1] and log["ntokens"] == expected[2]["ntokens"]
    torch.testing.assert_close(log["nll_loss"], expected[2]["nll_loss"], rtol=1e-5, atol=0)
    assert_close(grads, expected[3])


def test_only_words_are_ever_replaced():
    task = Task()
    model = build_model(task).train()
    criterion = build_criterion(task, teacher_forcing_final_ratio=0.0)
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


def test_predictions_are_shifted_by_one_position():
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
    build_criterion(task, teacher_forcing_final_ratio=0.0)(model, sample)
    assert torch.equal(model.read, expected)


def test_validation_is_teacher_forced():
    task = Task()
    model = build_model(task).eval()
    model.set_num_updates(100)
    sample = make_batch(task, [6, 3])
    *_, log = build_criterion(task, teacher_forcing_final_ratio=0.0)(model, sample)
    assert log["replaced"] == 0 and log["teacher_forcing"] == 1.0


def test_logs_are_ratios_of_sums():
    task = Task(group_names=["dae_bo", "mt_zh-bo", "dae_ug"])
    model = build_model(task).train()
    model.set_num_updates(50)
    criterion = build_criterion(task, teacher_forcing_final_ratio=0.0)
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


def test_a_group_without_new_samples_has_no_perplexity():
    task = Task(group_names=["dae_bo", "dae_ug"])
    criterion, model = build_criterion(task), build_model(task)
    with metrics.aggregate(new_root=True) as values:
        criterion.reduce_metrics([criterion(model, make_batch(task, [5, 2], [0, 1]))[2]])
        assert values.get_smoothed_values()["dae_ug_ppl"] > 1
        values.reset()
        criterion.reduce_metrics([criterion(model, make_batch(task, [5, 2], [0, 0]))[2]])
        assert values.get_smoothed_values()["dae_ug_ppl"] is None
        assert values.get_smoothed_values()["dae_bo_ppl"] > 1


@pytest.mark.parametrize("group_names", [["dae_bo"], ["dae_bo", "dae_ug"]])
def test_a_group_has_loss_nll_and_tokens(group_names):
    task = Task(group_names=group_names)
    criterion = build_criterion(task, label_smoothing=0.1)
    *_, log = criterion(build_model(task), make_batch(task, [5, 2], [0, 0]))
    with metrics.aggregate(new_root=True) as values:
        criterion.reduce_metrics([log])
    values = values.get_smoothed_values()
    for name in ("loss", "nll_loss", "ppl"):
        assert values[f"dae_bo_{name}"] == values[name]
    assert values["loss"] != values["nll_loss"]
    assert values["dae_bo_ntokens"] == 9


@pytest.mark.parametrize("share_dropout", [False, True])
def test_a_ratio_of_one_is_plain_training_bit_by_bit(share_dropout):
    task = Task()
    model = build_model(task, dropout=0.3).train()
    model.set_num_updates(10)
    sample = make_batch(task, [5, 1, 9])
    options = {"teacher_forcing_decay_start": 10, "share_dropout": share_dropout}
    results = []
    for final_ratio in (1.0, 0.0):
        torch.manual_seed(7)
        results.append(
            gradients(model, build_criterion(task, teacher_forcing_final_ratio=final_ratio, **options), sample)
        )
    assert torch.equal(results[0][0], results[1][0])
    assert all(torch.equal(gradient, results[1][3][name]) for name, gradient in results[0][3].items())


def perfect_model(task, sample):
    """A model that has memorized ``sample``."""
    model, criterion = build_model(task).train(), build_criterion(task)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    for _ in range(60):
        optimizer.zero_grad()
        criterion(model, sample)[0].backward()
        optimizer.step()
    return model


def test_a_ratio_of_zero_with_perfect_predictions_is_plain_training_bit_by_bit():
    task = Task()
    sample = make_batch(task, [5, 1, 7])
    model = perfect_model(task, sample)
    model.set_num_updates(100)
    plain = gradients(model, build_criterion(task), sample)
    sampled = gradients(model, build_criterion(task, teacher_forcing_final_ratio=0.0), sample)
    assert sampled[2]["replaced"] == sampled[2]["first_pass_correct"] == 13
    assert torch.equal(plain[0], sampled[0])
    assert all(torch.equal(gradient, sampled[3][name]) for name, gradient in plain[3].items())


@pytest.mark.parametrize("decay", list(Decay))
def test_replaced_share_follows_the_schedule(decay):
    task = Task()
    model = build_model(task).train()
    criterion = build_criterion(task, teacher_forcing_final_ratio=0.2, teacher_forcing_decay=decay)
    sample = make_batch(task, [60] * 10)
    for update in (0, 25, 50, 75, 100, 150):
        replaced = 0
        for batch in range(5):
            model.set_num_updates(update)
            sample["id"] += 10 * (batch + 1)
            replaced += int(criterion(model, sample)[2]["replaced"])
        share = 1 - criterion.schedule.ratio(update)
        assert replaced / 3000 == pytest.approx(share, abs=4 * (share * (1 - share) / 3000) ** 0.5)


def test_epochs_follow_the_iterator_of_the_task():
    task = Task()
    task.train_iterator = EpochBatchIterator(ListDataset(list(range(20))), list, [[i] for i in range(20)])
    model = build_model(task).train()
    criterion = build_criterion(
        task,
        teacher_forcing_final_ratio=0.0,
        teacher_forcing_decay_unit=Unit.epochs,
        teacher_forcing_decay_start=1,
        teacher_forcing_decay_end=3,
    )
    ratios = []
    for _ in range(4):
        for _ in task.train_iterator.next_epoch_itr():
            ratios.append(criterion.teacher_forcing_ratio(model))
    assert ratios[:20] == [1.0] * 20
    assert ratios[20:60] == pytest.approx([1 - (i + 1) / 40 for i in range(40)])
    assert ratios[60:] == [0.0] * 20


def test_epochs_need_a_task_that_shows_them():
    criterion = build_criterion(Task(), teacher_forcing_final_ratio=0.0, teacher_forcing_decay_unit=Unit.epochs)
    with pytest.raises(InputError, match="use updates"):
        criterion(build_model(Task()).train(), make_batch(Task(), [3]))


def test_by_default_the_decay_ends_with_training():
    options = {"teacher_forcing_final_ratio": 0.0, "teacher_forcing_decay_end": None, "max_update": 500, "max_epoch": 8}
    assert build_criterion(Task(), **options).schedule.end == 500
    assert build_criterion(Task(), teacher_forcing_decay_unit=Unit.epochs, **options).schedule.end == 8


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("label_smoothing", 1.0),
        ("label_smoothing", -0.1),
        ("logits_memory", 0),
        ("logits_memory", float("inf")),
        ("first_pass_temperature", float("inf")),
        ("first_pass_temperature", 0),
        ("first_pass_topk", -1),
        ("teacher_forcing_final_ratio", 2),
    ],
)
def test_flags_out_of_range_are_refused(option, value):
    with pytest.raises(InputError, match="--" + option.replace("_", "-")):
        build_criterion(Task(), **{option: value})


def test_other_models_are_refused():
    task = Task()
    model = TransformerModelBase(None, *build_model(task).children())
    with pytest.raises(InputError, match="--arch xlm_swcm"):
        build_criterion(task)(model, make_batch(task, [3]))


@pytest.mark.parametrize("tied", [True, False])
def test_checkpointed_activations(tied):
    task = Task()
    sample = make_batch(task, [5, 2])
    plain, saving = (build_model(task, tied, checkpoint_activations=on).train() for on in (False, True))
    saving.load_state_dict(plain.state_dict())
    criterion = build_criterion(task, label_smoothing=0.1, teacher_forcing_final_ratio=0.0)
    for model in (plain, saving):
        model.set_num_updates(60)
    ours, theirs = gradients(saving, criterion, sample), gradients(plain, criterion, sample)
    assert ours[2]["replaced"] == theirs[2]["replaced"] > 0
    assert_close(ours[3], theirs[3])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_models(dtype):
    """With --bf16 and --fp16, loss and gradients are as close to float32 as those of the stock criterion."""
    task = Task()
    sample = make_batch(task, [5, 2, 9])
    model = build_model(task, tied=False).to(dtype)
    exact = build_model(task, tied=False)
    exact.load_state_dict(model.state_dict())
    reference = gradients(exact, LabelSmoothedCrossEntropyCriterion(task, False, 0.1), sample)
    ours = gradients(model, build_criterion(task, label_smoothing=0.1), sample)
    stock = gradients(model, LabelSmoothedCrossEntropyCriterion(task, False, 0.1), sample)
    assert ours[0].dtype == torch.float32
    assert ours[0] == pytest.approx(float(reference[0]), rel=0.01)
    name = "decoder.output_projection.weight"

    def error(result):
        return (result[3][name].float() - reference[3][name]).norm() / reference[3][name].norm()

    assert ours[3][name].dtype == dtype
    assert error(ours) <= error(stock) * 1.05


def test_autocast():
    task = Task()
    sample = make_batch(task, [5, 2, 9])
    model = build_model(task)
    plain = gradients(model, build_criterion(task, label_smoothing=0.1), sample)
    with torch.autocast("cpu", torch.bfloat16):
        loss, *_ = build_criterion(task, label_smoothing=0.1)(model, sample)
    model.zero_grad()
    (loss * 1024).backward()  # like a loss scaler
    assert loss.dtype == torch.float32
    for name, parameter in model.named_parameters():
        assert parameter.grad.dtype == torch.float32
        assert (parameter.grad / 1024 - plain[3][name]).norm() <= 0.05 * plain[3][name].norm() + 0.02, name


def test_registered():
    assert CRITERION_REGISTRY["swcm_cross_entropy"] is SWCMCrossEntropyCriterion
    assert SWCMCrossEntropyCriterion.logging_outputs_can_be_summed()
