"""--compile-layers: the same numbers, few graphs, the same checkpoints."""

import pytest
import torch

from swcm_fairseq import compilation
from swcm_fairseq.compilation import compile_problem
from swcm_fairseq.errors import InputError
from swcm_fairseq.models.model_config import XLMSWCMConfig
from tests.models.test_decoding import step_by_step


@pytest.fixture
def compiled(build, monkeypatch):
    """A model with compiled layers, traced as by the compiler and then run as it is."""
    monkeypatch.setattr(compilation, "BACKEND", "eager")
    monkeypatch.setattr("swcm_fairseq.models.model_config.compile_problem", lambda device_type: "")
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    return lambda **options: build(compile_layers=True, encoder_layers=2, normal_layer_interval=2, **options)


def loss_and_gradients(model, batch, **options):
    model.zero_grad()
    x, _ = model(**batch, **options)
    x.square().mean().backward()
    return x, [p.grad.clone() for p in model.parameters()]


def swap(features, weight, tokens):
    return tokens.roll(1, 0)


@pytest.mark.parametrize("checkpointed", [False, True])
def test_results_and_gradients_are_the_same_and_graphs_few(build, batch, compiled, checkpointed):
    options = {"checkpoint_activations": checkpointed, "dropout": 0.0, "attention_dropout": 0.0}
    ours = compiled(**options).train()
    theirs = build(encoder_layers=2, normal_layer_interval=2, **options).train()
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    graphs = []
    for length in (9, 8) if checkpointed else (9, 8, 7):
        short = {**batch, "src_tokens": batch["src_tokens"][:, :length]}
        for options in ({},) if checkpointed else ({}, {"sample_inputs": swap}):
            x, found = loss_and_gradients(ours, short, **options)
            y, expected = loss_and_gradients(theirs, short, **options)
            torch.testing.assert_close(x, y)
            for one, other in zip(found, expected, strict=True):
                torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)
        graphs.append(torch._dynamo.utils.counters["stats"]["unique_graphs"])
    assert 0 < graphs[0] <= 16 and graphs[-1] == graphs[1] <= 16, graphs


def test_decoding_step_by_step(batch, compiled):
    model = compiled()
    with torch.no_grad():
        full, _ = model(**batch)
        graphs = torch._dynamo.utils.counters["stats"]["unique_graphs"]
        steps = step_by_step(model, batch["prev_output_tokens"], model.encoder(batch["src_tokens"]))
    real = batch["prev_output_tokens"].ne(1)
    torch.testing.assert_close(steps[real], full[real], atol=1e-5, rtol=0)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == graphs


def test_a_machine_without_a_compiler(monkeypatch):
    compile_problem.cache_clear()
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InputError, match=r"--compile-layers: no compiler .* is installed; install it, or leave"):
        XLMSWCMConfig(compile_layers=True, cpu=True).check()
    compile_problem.cache_clear()
