"""--compile-layers: the same results, few graphs, the same checkpoints."""

import pytest
import torch
import torch.distributed as dist
from fairseq.distributed import ModuleProxyWrapper
from torch.multiprocessing import spawn
from torch.nn.parallel import DistributedDataParallel

from swcm_fairseq import compilation
from swcm_fairseq.compilation import compile_problem
from swcm_fairseq.errors import InputError
from swcm_fairseq.models.attention import CausalMask
from swcm_fairseq.models.layers import InheritedDecoderLayer
from swcm_fairseq.models.model import XLMSWCMModel
from swcm_fairseq.models.model_config import XLMSWCMConfig
from tests.criterions.criterion_support import Task, assert_close, build_criterion, gradients, make_batch
from tests.models.test_incremental_decoding import step_by_step


@pytest.fixture
def compiled(build, monkeypatch):
    """A model with compiled layers, which are traced as for the compiler and then run unchanged."""
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


def two_pass_model(task, compiled, checkpointed):
    torch.manual_seed(0)
    size = {"encoder_layers": 2, "encoder_embed_dim": 16, "encoder_ffn_embed_dim": 32, "encoder_attention_heads": 2}
    options = {"normal_layer_interval": 2, "dropout": 0.0, "attention_dropout": 0.0, "cpu": True}
    options |= {"compile_layers": compiled, "checkpoint_activations": checkpointed}
    model = XLMSWCMModel.from_config(XLMSWCMConfig(**size, **options), task.target_dictionary).train()
    model.set_num_updates(100)  # every word is replaced
    return model


def worker(rank, world, address):
    torch.set_num_threads(1)
    compilation.BACKEND = "eager"
    dist.init_process_group("gloo", init_method=f"file://{address}", rank=rank, world_size=world)
    task = Task()
    batches = [make_batch(task, lengths, seed=i, first_id=10 * i) for i, lengths in enumerate([[5, 2], [9]])]
    criterion = build_criterion(task, teacher_forcing_final_ratio=0.0)
    expected = gradients(two_pass_model(task, False, False), criterion, *batches)[3]
    for checkpointed in (False, True):
        torch._dynamo.utils.counters.clear()
        wrapped = ModuleProxyWrapper(DistributedDataParallel(two_pass_model(task, True, checkpointed)))
        criterion(wrapped, batches[rank])[0].backward()
        found = {name: p.grad * world for name, p in wrapped.module.module.named_parameters()}
        assert_close(found, expected)
        assert 0 < torch._dynamo.utils.counters["stats"]["unique_graphs"] <= 16
    dist.destroy_process_group()


def test_two_processes(tmp_path):
    """Gradients of two processes equal those of one without compilation, even with checkpointed activations."""
    spawn(worker, (2, tmp_path / "store"), nprocs=2)


@pytest.mark.skipif(bool(compile_problem("cpu")), reason=compile_problem("cpu"))
def test_generated_code(build):
    """The compiler itself: results and gradients of a layer at two lengths, from one set of graphs."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    plain, ours = (build(dropout=0.0, attention_dropout=0.0).decoder.layers[0].train() for _ in range(2))
    assert isinstance(ours, InheritedDecoderLayer)
    compilation.compile_layer(ours, checkpointed=False)
    for length in (5, 8):
        x, source = torch.randn(length, 2, 16), torch.randn(length + 2, 2, 16)
        for layer in (plain, ours):
            layer.zero_grad()
        results = [layer(x, source, self_attn_mask=CausalMask())[0] for layer in (plain, ours)]
        torch.testing.assert_close(results[1], results[0])
        for result in results:
            result.square().mean().backward()
        for (name, one), other in zip(ours.named_parameters(), plain.parameters(), strict=True):
            torch.testing.assert_close(one.grad, other.grad, rtol=1e-4, atol=1e-6, msg=name)
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    torch._dynamo.reset()


def test_a_machine_without_a_compiler(monkeypatch):
    compile_problem.cache_clear()
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    with pytest.raises(InputError, match=r"--compile-layers: no compiler .* is installed; install it or remove"):
        XLMSWCMConfig(compile_layers=True, cpu=True).check()
    compile_problem.cache_clear()
