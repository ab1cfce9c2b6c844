"""Complete runs of recipes at SCALE=smoke, and bad files that they refuse."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

pytestmark = pytest.mark.e2e

BIN = Path(sys.executable).parent


@pytest.fixture
def recipe(repository, tmp_path):
    """Run a recipe; the path of the runs contains a space."""
    environment = {"PATH": f"{BIN}:{os.environ['PATH']}", "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    environment["RUNS"] = str(tmp_path / "my runs")

    def run(name: str, *options: str, status: int = 0, **variables: str) -> subprocess.CompletedProcess:
        command = [repository / "examples" / name, *options]
        done = subprocess.run(command, capture_output=True, text=True, env=environment | variables, cwd=tmp_path)
        assert done.returncode == status, done.stdout[-3000:] + done.stderr[-3000:]
        return done

    return run


def test_pretraining_resumes_with_two_processes_then_fine_tuning_and_scores(recipe, tmp_path):
    pretraining = tmp_path / "my runs/pretraining/xlm-swcm"
    recipe("pretraining/single_gpu.sh", "--", "--max-update", "2", SCALE="smoke")
    resumed = recipe("pretraining/multi_gpu.sh", SCALE="smoke")
    assert "[data] done before, skipped" in resumed.stdout
    assert "[train] denoising" in resumed.stdout  # other options make it another step
    log = (pretraining / "train.log").read_text(encoding="utf-8")
    assert "training on 2 devices" in log
    assert (
        "Loaded checkpoint" in log and log.count("begin training epoch 1") == log.count("begin training epoch 2") == 1
    )

    run = tmp_path / "my runs/finetuning/summarization/xlm-swcm"
    first = recipe("finetuning/summarization.sh", SCALE="smoke")
    scores = json.loads((run / "scores/bo.json").read_text(encoding="utf-8"))
    assert scores["language"] == "bo" and scores["segments"] == 12
    assert "rougeL|lang:bo|tok:bo-syllable" in first.stdout and "Next:\n  swcm samples" in first.stdout
    assert "update 8: validation loss" in first.stdout

    files = {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()}
    second = recipe("finetuning/summarization.sh", SCALE="smoke")
    assert second.stdout.count("done before, skipped") == 3
    assert {path: path.stat().st_mtime_ns for path in run.rglob("*") if path.is_file()} == files


def test_missing_corpora_are_one_line_with_their_publisher(recipe, tmp_path):
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    (encoder / "dict.txt").touch()
    done = recipe("pretraining/single_gpu.sh", status=1, ENCODER=str(encoder))
    assert done.stderr.count("\n") == 1
    assert "corpora/THUCNews.zip is missing (its authors publish it at http://thuctc.thunlp.org" in done.stderr


def test_a_checkpoint_of_another_task_is_one_line(recipe, tmp_path):
    torch.save({"task_state": {}}, tmp_path / "masked_lm.pt")
    options = ("--start", str(tmp_path / "masked_lm.pt"))
    done = recipe("finetuning/translation.sh", *options, status=1, DATA="data")
    assert done.stderr.count("\n") == 1
    assert "not a checkpoint of the task multilingual_denoising_mt" in done.stderr
