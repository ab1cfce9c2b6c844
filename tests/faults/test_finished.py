"""Repeating the command of a finished training run reports that it is finished and changes nothing."""

import logging

import pytest
import torch

from tests.faults.trainings import train

TASKS = ("multilingual_denoising_mt", "corpora_masked_lm")


def contents(place) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.iterdir()}


def updates(place) -> int:
    return torch.load(place / "checkpoint_last.pt", weights_only=True)["optimizer_history"][-1]["num_updates"]


@pytest.mark.parametrize("task", TASKS)
def test_a_finished_training_is_finished(task, data, tmp_path, caplog):
    command = (data, tmp_path / "run", task, "--max-update", 3, "--disable-validation", "--no-epoch-checkpoints")
    train(*command)
    before = contents(tmp_path / "run")
    for _ in range(2):
        caplog.clear()
        with caplog.at_level(logging.INFO, logger="swcm_fairseq"):
            train(*command)
        assert "finished, done training" in caplog.text and "--max-update 3" in caplog.text
        assert contents(tmp_path / "run") == before
    train(*command[:-3], 4, *command[-2:])
    assert updates(tmp_path / "run") == 4


def test_by_epochs_and_by_patience(data, tmp_path, caplog):
    task = "multilingual_denoising_mt"
    caplog.set_level(logging.INFO, logger="swcm_fairseq")
    small = ("--samples-per-epoch", 16, "--no-epoch-checkpoints")
    train(data, tmp_path / "epochs", task, "--max-epoch", 2, "--disable-validation", *small)
    before = contents(tmp_path / "epochs")
    train(data, tmp_path / "epochs", task, "--max-epoch", 2, "--disable-validation", *small)
    assert "it has 2 epochs, --max-epoch 2" in caplog.text and contents(tmp_path / "epochs") == before

    # The learning rate is so high that validation keeps getting worse.
    command = (data, tmp_path / "patience", task, "--max-epoch", 9, "--patience", 2, "--lr", 3, *small)
    train(*command)
    before, number = contents(tmp_path / "patience"), updates(tmp_path / "patience")
    assert number < 9
    train(*command)
    assert (
        "2 validations without improvement, --patience 2" in caplog.text and contents(tmp_path / "patience") == before
    )


def test_another_start_counts_from_zero(data, trained, tmp_path):
    """--finetune-from-model and --reset-optimizer start from update 0, whatever the checkpoint contains."""
    task, last = "multilingual_denoising_mt", trained / "checkpoint_last.pt"
    options = ("--max-update", 2, "--disable-validation", "--no-epoch-checkpoints")
    train(data, tmp_path / "tuned", task, *options, "--finetune-from-model", last)
    assert updates(tmp_path / "tuned") == 2
    train(data, tmp_path / "reset", task, *options, "--restore-file", last, "--reset-optimizer", "--reset-dataloader")
    assert updates(tmp_path / "reset") == 2
