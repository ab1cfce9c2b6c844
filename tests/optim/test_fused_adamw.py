"""torch's fused AdamW with fairseq's interface."""

import copy

import pytest
import torch
from fairseq.dataclass.configs import FairseqConfig
from fairseq.optim import FP16Optimizer
from fairseq.optim.adam import FairseqAdam, FairseqAdamConfig
from omegaconf import OmegaConf

from swcm_fairseq.errors import InputError
from swcm_fairseq.optim.fused_adamw import FusedAdamW, FusedAdamWConfig


def build(kind, config, **options):
    torch.manual_seed(0)
    parameters = [torch.nn.Parameter(torch.randn(4, 3)), torch.nn.Parameter(torch.randn(5))]
    values = {"lr": [1e-2], "adam_betas": "(0.9, 0.98)", "weight_decay": 0.1, **options}
    values.update({"tpu": False} if config is FairseqAdamConfig else {"fp16": False, "bf16": False})
    return kind(OmegaConf.merge(OmegaConf.structured(config), values), parameters), parameters


def train(optimizer, parameters, steps, seed=1):
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for parameter in parameters:
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step()
        optimizer.zero_grad()
    return [parameter.detach().clone() for parameter in parameters]


def test_updates_are_those_of_fairseqs_adam():
    ours, theirs = build(FusedAdamW, FusedAdamWConfig), build(FairseqAdam, FairseqAdamConfig)
    for a, b in zip(train(*ours, 20), train(*theirs, 20), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-6)


def test_a_restored_state_continues_exactly():
    optimizer, parameters = build(FusedAdamW, FusedAdamWConfig)
    train(optimizer, parameters, 3)
    other, copies = build(FusedAdamW, FusedAdamWConfig)
    for own, parameter in zip(copies, parameters, strict=True):
        own.data.copy_(parameter)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    unbroken, resumed = train(optimizer, parameters, 3, seed=2), train(other, copies, 3, seed=2)
    assert all(torch.equal(a, b) for a, b in zip(unbroken, resumed, strict=True))


def test_the_command_line_overrides_the_checkpoint():
    optimizer, parameters = build(FusedAdamW, FusedAdamWConfig)
    train(optimizer, parameters, 1)
    other, _ = build(FusedAdamW, FusedAdamWConfig, weight_decay=0.5)
    other.load_state_dict(optimizer.state_dict(), {"weight_decay": 0.5})
    assert other.param_groups[0]["weight_decay"] == 0.5


def test_parameters_without_gradient_are_unchanged():
    optimizer, parameters = build(FusedAdamW, FusedAdamWConfig)
    before = [parameter.detach().clone() for parameter in parameters]
    parameters[0].grad = torch.ones(4, 3)
    optimizer.step()
    assert not torch.equal(parameters[0], before[0]) and torch.equal(parameters[1], before[1])


def half_precision_run(model, updates, state=None, seed=1):
    """Train a bfloat16 model like fairseq's trainer with --bf16; return the optimizer's state."""
    optimizer = OmegaConf.structured(FusedAdamWConfig)
    optimizer._name = "fused_adamw"
    cfg = OmegaConf.structured(FairseqConfig())
    cfg.common.bf16, cfg.optimization.lr, cfg.optimizer = True, [1e-4], optimizer
    fp16_optimizer = FP16Optimizer.build_optimizer(cfg, list(model.parameters()))
    if state is not None:
        fp16_optimizer.load_state_dict(state)
    generator = torch.Generator().manual_seed(seed)
    for _ in range(updates):
        inputs = torch.randn(6, 4, generator=generator).bfloat16()
        fp16_optimizer.backward(model(inputs).square().sum())
        fp16_optimizer.clip_grad_norm(1.0)
        fp16_optimizer.step()
        fp16_optimizer.zero_grad()
    return copy.deepcopy(fp16_optimizer.state_dict())


def bfloat16_model():
    torch.manual_seed(0)
    return torch.nn.Linear(4, 3).bfloat16()


def test_half_precision_training_resumes_exactly():
    unbroken = bfloat16_model()
    state = half_precision_run(unbroken, 5)
    resumed = copy.deepcopy(unbroken)
    rounded = {**copy.deepcopy(state), "full_precision": []}
    forgetful = copy.deepcopy(unbroken)
    expected = half_precision_run(unbroken, 30, copy.deepcopy(state), seed=2)["full_precision"]
    found = half_precision_run(resumed, 30, copy.deepcopy(state), seed=2)["full_precision"]
    without = half_precision_run(forgetful, 30, rounded, seed=2)["full_precision"]
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(without, expected, strict=True)), "there was no state to restore"


def test_copies_of_other_weights_are_not_used(caplog):
    model = bfloat16_model()
    state = half_precision_run(model, 5)
    with torch.no_grad():
        model.weight.mul_(2)
    changed = model.weight.detach().clone()
    copies = half_precision_run(model, 0, state)["full_precision"]
    assert torch.equal(copies[0], changed.float())
    assert "weights were changed" in caplog.text


def test_full_precision_needs_no_copies():
    optimizer, _ = build(FusedAdamW, FusedAdamWConfig)
    assert optimizer.state_dict()["full_precision"] == []


@pytest.mark.parametrize("betas", ["0.9", "(0.9)", "(0.9, x)", "(0.9, 1.0)", "(0.9, 0.99, 0.999)", "(0.9"])
def test_bad_betas(betas):
    with pytest.raises(InputError, match="--adam-betas"):
        build(FusedAdamW, FusedAdamWConfig, adam_betas=betas)
