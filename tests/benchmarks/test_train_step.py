"""Contestants that should compute the same result do so, and the report states what was measured."""

import contestants
import pytest
import torch
import train_step

from swcm_fairseq.errors import InputError

SIZE = "--arch xlm_swcm_tiny --vocabulary 400 --sentences 2 --tokens 8 --rounds 2".split()


def gradients(name, options, changes=()):
    model, criterion, sample = train_step.build(name, options, dict(changes))
    loss, size, _ = criterion(model.train(), sample)
    loss.backward()
    return loss.item() / size, {name: p.grad for name, p in model.named_parameters()}


@pytest.mark.parametrize("smoothing", ["0", "0.1"])
def test_stock_layers_compute_our_loss_and_gradients(smoothing):
    options = train_step.build_parser().parse_args([*SIZE, "--dropout", "0", "--label-smoothing", smoothing])
    stock_loss, stock = gradients(train_step.STOCK, options)
    loss, ours = gradients(train_step.OURS, options)
    assert loss == pytest.approx(stock_loss, rel=1e-5)
    checkpointed_loss, checkpointed = gradients(train_step.OURS, options, {"checkpoint_activations": True})
    assert checkpointed_loss == loss
    assert ours.keys() == stock.keys() == checkpointed.keys()
    for name, gradient in ours.items():
        for other in (stock[name], checkpointed[name]):
            assert (gradient - other).norm() <= 1e-5 * other.norm() + 1e-5, name


def test_the_report(run):
    content = run(train_step, *SIZE)
    rows = {row[0]: row[1:] for row in content["rows"]}
    assert "without Liger's loss: it needs a GPU" in content["settings"]
    peers = {train_step.STOCK, *train_step.VARIANTS} - {train_step.COMPILED}
    assert rows.keys() - {train_step.HUGGINGFACE} == peers  # HUGGINGFACE only if transformers is installed
    loss = {name: row[-1] for name, row in rows.items()}
    assert loss[train_step.STOCK] == loss[train_step.OURS] == loss["ours, checkpointed activations"]
    assert loss["ours, restricted vocabulary"] < loss[train_step.OURS]
    assert rows[train_step.STOCK][0] == rows[train_step.OURS][0]  # parameters
    assert [ratio["name"] for ratio in content["ratios"][:2]] == [
        "tokens/s, ours / stock fairseq",
        "peak MiB, ours / stock fairseq",
    ]
    assert all(len(ratio["values"]) == 2 for ratio in content["ratios"])
    assert content["raw"]["results"][train_step.STOCK][0]["flops"] > 0


def test_missing_liger_is_reported(monkeypatch):
    options = train_step.build_parser().parse_args([*SIZE, "--device", "cuda"])
    found = {"transformers"}
    monkeypatch.setattr(contestants.importlib.util, "find_spec", lambda name: name if name in found else None)
    assert train_step.without_liger(options) == [
        "without Liger's loss: liger_kernel is not installed (pip install liger-kernel)"
    ]
    found.add("liger_kernel")
    assert not train_step.without_liger(options) and train_step.LIGER in train_step.chosen(
        train_step.build_parser().parse_args([*SIZE, "--device", "cuda", "--contestants", "all"])
    )
    found.remove("transformers")
    assert "it is measured with Hugging Face's model" in train_step.without_liger(options)[0]


def fused_loss(features, weight, target, *, ignore_index, reduction, accum_dtype, chunk_mem_const):
    """The result of Liger's kernel, in plain PyTorch."""
    return torch.nn.functional.cross_entropy(
        features @ weight.t(), target, ignore_index=ignore_index, reduction=reduction
    )


def test_ligers_loss_is_that_of_the_model():
    """Also with the fastest chunk size, which the first call chooses when it computes the initial loss."""
    pytest.importorskip("transformers", reason="the comparison needs transformers (pip install .[benchmarks])")
    import liger_loss
    from huggingface_decoder import huggingface_model

    options = train_step.build_parser().parse_args([*SIZE, "--dropout", "0", "--padding", "0.1"])
    sample = contestants.make_batch(2, 8, options.vocabulary, "cpu", 0.1)
    model = huggingface_model(contestants.our_model(options, contestants.make_task(options.vocabulary)))
    expected, _, _ = contestants.huggingface_criterion(model, sample)
    expected.backward()
    gradient = model.decoder.lm_head.decoder.weight.grad.clone()
    model.zero_grad()
    model.decoder.lm_head = liger_loss.FeaturesOnly(model.decoder.lm_head)
    criterion = liger_loss.LigerLoss(fused_loss)
    with torch.no_grad():
        criterion(model, sample)
    assert criterion.budget in liger_loss.BUDGETS
    loss, size, log = criterion(model, sample)
    loss.backward()
    assert size == sample["ntokens"] and log["budget"] == criterion.budget
    torch.testing.assert_close(loss, expected, rtol=1e-5, atol=0)
    torch.testing.assert_close(model.decoder.lm_head.decoder.weight.grad, gradient, rtol=1e-4, atol=1e-5)


def test_work_is_that_of_the_matrix_products():
    """6 operations per weight and token, plus attention's products, forward and backward."""
    options = train_step.build_parser().parse_args(SIZE)
    counted = train_step.one_turn(train_step.STOCK, options, {})["flops"]
    model = contestants.our_model(options, contestants.make_task(options.vocabulary))
    linear = sum(m.weight.numel() for m in model.modules() if isinstance(m, torch.nn.Linear))
    attention = 12 * 64 * 8 * (4 + 5 + 5)  # 2 products of 2 * width * keys operations per token, three times
    assert counted == 2 * 8 * (6 * linear + attention)


@pytest.mark.parametrize(
    "arguments, message", [(["--contestants", "them"], "'them'"), (["--deltalm", "nowhere"], "--deltalm nowhere")]
)
def test_bad_input(run, arguments, message):
    with pytest.raises(InputError, match=message):
        run(train_step, *SIZE, *arguments)
