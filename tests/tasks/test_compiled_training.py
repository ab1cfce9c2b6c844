"""--compile-layers in fairseq's trainer: a resumed run equals an uninterrupted one, and the model generates."""

import itertools
import os
from argparse import Namespace

import pytest
import torch

from swcm_fairseq import compilation

COMPILED = ["--compile-layers", "--dropout", "0.1"]


@pytest.fixture
def compiled(monkeypatch):
    """Layers are traced as for the compiler and then run unchanged."""
    monkeypatch.setattr(compilation, "BACKEND", "eager")
    monkeypatch.setattr("swcm_fairseq.models.model_config.compile_problem", lambda device_type: "")
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


def graphs() -> int:
    return torch._dynamo.utils.counters["stats"]["unique_graphs"]


@pytest.mark.skipif("SWCM_COMPILED" not in os.environ, reason="takes over two minutes; set SWCM_COMPILED=1")
def test_resume_is_exact_and_the_model_generates(trainer, compiled, tmp_path):
    more = [*COMPILED, "--tokens-per-sample", "24"]
    unbroken, updates = trainer(*more)
    batches = list(itertools.islice(updates, 4))
    for i, group in enumerate(batches):
        if i == 2:
            unbroken.consolidate_optimizer()
            unbroken.save_checkpoint(str(tmp_path / "half.pt"), {"train_iterator": {"epoch": 1}})
        unbroken.train_step(group)
    assert 0 < graphs() <= 32
    torch._dynamo.reset()  # as in a new process
    resumed, _ = trainer(*more)
    resumed.load_checkpoint(str(tmp_path / "half.pt"))
    assert resumed.get_num_updates() == 2
    for group in batches[2:]:
        resumed.train_step(group)
    ours, theirs = (each.model.state_dict() for each in (resumed, unbroken))
    assert ours.keys() == theirs.keys() and not any("_orig_mod" in name for name in ours)
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())

    plain, _ = trainer("--dropout", "0.1", "--tokens-per-sample", "24")
    plain.model.load_state_dict(ours)  # the same names
    search = Namespace(beam=3, max_len_a=0, max_len_b=8)
    texts = []
    for each in (plain, resumed):
        generator = each.task.build_generator([each.model.eval()], search)
        found = each.task.inference_step(generator, [each.model], batches[0][0])
        texts.append([[hypothesis["tokens"].tolist() for hypothesis in beams] for beams in found])
    assert texts[0] == texts[1]
