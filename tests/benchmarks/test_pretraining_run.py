"""The benchmark of a pretraining run: a few updates, and reading the log."""

import argparse
import json

import pretraining_run
import pytest

from swcm_fairseq.errors import InputError


def log_of(updates):
    inner = {"wpb": "100", "loss": "3", "dae_bo_loss": None}
    lines = [
        f"x | train_inner | {json.dumps({**inner, 'wps': str(100 / n), 'wall': str(2 * n)})}"
        for n in range(1, updates + 1)
    ]
    lines.append("Saved checkpoint a.pt (epoch 1 @ 4 updates, score None) (writing took 2.0 seconds)")
    return "\n".join([*lines, f"x | train | {json.dumps({'train_train_wall': '4'})}"])


def test_the_clock_starts_after_the_warm_up():
    found = pretraining_run.summary(argparse.Namespace(warm_up=2), log_of(4))
    assert found["updates"] == 2 and found["seconds"] == 3.5 and found["tokens_per_second"] == pytest.approx(200 / 7)
    assert found["training"] == 0.5 and found["checkpoints"] == 0.25  # of 8 seconds


def test_too_few_updates():
    with pytest.raises(InputError, match="--warm-up"):
        pretraining_run.summary(argparse.Namespace(warm_up=3), log_of(3))


@pytest.mark.e2e
def test_a_run(run, tmp_path):
    size = "--updates 4 --warm-up 1 --save-interval 2 --sentences 2 --tokens 16 --vocabulary 100".split()
    content = run(pretraining_run, tmp_path / "out", *size)
    raw = content["raw"]
    assert raw["updates"] == 3 and raw["tokens"] <= 2 * 2 * 16
    updates = pretraining_run.UPDATES * pretraining_run.SENTENCES * pretraining_run.TOKENS / raw["tokens"]
    assert raw["hours"] == pytest.approx(updates * raw["seconds"] / 3600)
    assert raw["checkpoints"] > 0
    assert (tmp_path / "out" / "checkpoints" / "checkpoint_last.pt").exists()
