"""Checkpoints are complete at any time, are found again after a kill, and belong to one training run."""

import logging
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from swcm_fairseq.errors import InputError
from swcm_fairseq.output_files import PARTIAL
from swcm_fairseq.save_directory import HALF_WRITTEN, LOCK, lock
from tests.faults.trainings import options, train

TASK = "multilingual_denoising_mt"
HOLD = (
    "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.lockf(f, fcntl.LOCK_EX); print(flush=True); sys.stdin.read()"
)


def parameters(place):
    return torch.load(place / "checkpoint_last.pt", weights_only=True)["model"]


def test_the_second_training_into_a_directory_is_refused(data, trained, error_line):
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, trained / LOCK], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        other.stdout.readline()
        line = error_line("fairseq-train", *options(data, trained, TASK, "--max-update", 3))
        assert f"--save-dir {trained}: another training run is using it" in line
        other.kill()
    lock(str(trained))  # the lock is released, however the run ended


@pytest.mark.parametrize("damage", ["cut off", "empty", "missing"])
def test_a_kill_while_the_last_checkpoint_was_copied(damage, data, tmp_path, caplog):
    """Training automatically continues from the other, complete checkpoint, bit for bit as without the kill."""
    every = ("--save-interval-updates", 2, "--disable-validation")
    train(data, tmp_path / "whole", TASK, "--max-update", 4, *every)
    train(data, tmp_path / "killed", TASK, "--max-update", 2, *every)
    last = tmp_path / "killed/checkpoint_last.pt"
    if damage == "missing":
        last.rename(tmp_path / f"killed/.{last.name}.{'0' * 16}{PARTIAL}")
    else:
        os.truncate(last, 0 if damage == "empty" else last.stat().st_size // 2)
    train(data, tmp_path / "killed", TASK, "--max-update", 4, *every)
    assert "training continues from checkpoint_1_2.pt" in caplog.text
    assert not [path for path in last.parent.iterdir() if path.name.endswith(HALF_WRITTEN)]
    whole, killed = parameters(tmp_path / "whole"), parameters(tmp_path / "killed")
    assert all(torch.equal(tensor, killed[name]) for name, tensor in whole.items())


def test_nothing_whole_to_continue_from(data, trained, error_line):
    for path in trained.glob("*.pt"):
        os.truncate(path, 100)
    line = error_line("fairseq-train", *options(data, trained, TASK, "--max-update", 3))
    assert "checkpoint_last.pt: damaged or truncated, and no other checkpoint" in line and "remove it to start" in line


def test_fairseq_copies_no_checkpoint_in_place(tmp_path, monkeypatch):
    """The name gets a new file; the old file, which another process may be reading, is unchanged, as on a full disk."""
    pytest.importorskip("iopath", reason="without iopath, fairseq copies in place")
    from fairseq.file_io import PathManager

    (tmp_path / "new.pt").write_bytes(b"new")
    (tmp_path / "last.pt").write_bytes(b"old")
    with open(tmp_path / "last.pt", "rb") as reader:
        assert PathManager.copy(str(tmp_path / "new.pt"), str(tmp_path / "last.pt"), overwrite=True)
        assert reader.read() == b"old"
    assert (tmp_path / "last.pt").read_bytes() == b"new"

    def half(source, target):
        Path(target).write_bytes(b"ne")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", half)
    with pytest.raises(InputError, match=r"last.pt: No space left on device; make room"):
        PathManager.copy(str(tmp_path / "new.pt"), str(tmp_path / "last.pt"), overwrite=True)
    assert (tmp_path / "last.pt").read_bytes() == b"new"
    assert {path.name for path in tmp_path.iterdir()} == {"new.pt", "last.pt"}


def test_a_file_that_cannot_grow(data, trained, error_line, caplog):
    """Saving fails: one error line, no partial file, and the previous checkpoint is intact."""
    pytest.importorskip("iopath", reason="without iopath, fairseq leaves its .tmp file")
    before = (trained / "checkpoint_last.pt").read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        line = error_line(
            "fairseq-train",
            *options(data, trained, TASK, "--max-update", 3, "--disable-validation", "--no-epoch-checkpoints"),
        )
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert f"{trained}/checkpoint_last.pt: " in line and "make room" in line
    assert "Traceback" not in caplog.text
    assert (trained / "checkpoint_last.pt").read_bytes() == before
    assert not list(trained.glob("*.tmp"))


def test_locks_that_a_file_system_does_not_have(tmp_path, monkeypatch, caplog):
    def none(*_):
        raise OSError(37, "No locks available")

    monkeypatch.setattr("fcntl.lockf", none)
    with caplog.at_level(logging.WARNING):
        lock(str(tmp_path))
    assert "does not support locks" in caplog.text
