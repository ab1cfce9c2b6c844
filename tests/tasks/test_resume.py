"""40 updates in one go equal 20, kill -9, and 20 more: the same losses, bit for bit the same parameters."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch

UPDATES = re.compile(r'"num_updates": "(\d+)"')


def losses(log: str) -> dict[int, str]:
    """The loss of every update, as printed."""
    found = {}
    for line in log.splitlines():
        if "| train_inner |" in line:
            values = json.loads(line[line.index("{") :])
            found[int(values["num_updates"])] = values["loss"] + " " + values["gnorm"]
    return found


def family(pid: int) -> list[int]:
    """A process, its children (data loading workers, the other processes), and theirs."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in family(int(child)))]


def run(command, repository, kill_after: int | None = None) -> str:
    """Run a training command to its end, or kill it and all its children once it is past an update."""
    log = ""
    environment = {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        command,
        cwd=repository,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    for line in process.stdout:
        log += line
        match = UPDATES.search(line)
        if kill_after is not None and match and "train_inner" in line and int(match.group(1)) > kill_after:
            for pid in family(process.pid):
                os.kill(pid, signal.SIGKILL)
            break
    process.stdout.close()
    status = process.wait()
    assert status == (0 if kill_after is None else -signal.SIGKILL), log[-3000:]
    return log


@pytest.mark.e2e
@pytest.mark.parametrize("setup", ["two workers", "two processes"])
def test_kill_and_resume_is_exact(setup, data_bin, train_options, repository, tmp_path):
    module = ["-m", "fairseq_cli.train"]
    extra = ["--num-workers", "2", "--update-freq", "1"]
    if setup == "two processes":
        module = ["-m", "torch.distributed.run", "--nproc_per_node", "2", "--standalone", "--no-python"]
        module += [sys.executable, "-m", "fairseq_cli.train"]
        extra = [
            "--distributed-world-size",
            "2",
            "--distributed-backend",
            "gloo",
            "--num-workers",
            "0",
            "--batch-size",
            "8",
        ]
    # An epoch has 33 updates: the run is resumed in the middle of one and goes on into the next.
    command = [sys.executable, *module, str(data_bin), *train_options, *extra]
    command += ["--save-interval-updates", "20", "--no-epoch-checkpoints", "--total-num-update", "60"]

    whole = run([*command, "--max-update", "40", "--save-dir", str(tmp_path / "whole")], repository)
    killed = run([*command, "--max-update", "60", "--save-dir", str(tmp_path / "killed")], repository, kill_after=21)
    resumed = run([*command, "--max-update", "40", "--save-dir", str(tmp_path / "killed")], repository)

    assert "Loaded checkpoint" in resumed
    expected = losses(whole)
    assert sorted(expected) == list(range(1, 41))
    assert {n: v for n, v in losses(killed).items() if n <= 20} == {n: v for n, v in expected.items() if n <= 20}
    assert losses(resumed) == {n: v for n, v in expected.items() if n > 20}
    states = [torch.load(tmp_path / name / "checkpoint_last.pt")["model"] for name in ("whole", "killed")]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
