"""40 uninterrupted updates equal 20, kill -9, and 20 more: the same losses, and bit for bit the same parameters."""

import json
import os
import re
import signal
import socket
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
    """A process and all its descendants (data loading workers, other training processes)."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in family(int(child)))]


def run(command, repository, processes: int = 1, kill_after: int | None = None) -> str:
    """Run a training command to the end, or kill it and all its descendants after an update."""
    log = ""
    environment = {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    started = []
    for rank in range(processes):
        options = ["--distributed-rank", rank, "--distributed-init-method", place] if processes > 1 else []
        output = subprocess.DEVNULL if rank else subprocess.PIPE
        started.append(
            subprocess.Popen(
                [*command, *map(str, options)],
                cwd=repository,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    assert started[0].stdout is not None
    for line in started[0].stdout:
        log += line
        match = UPDATES.search(line)
        if kill_after is not None and match and "train_inner" in line and int(match.group(1)) > kill_after:
            for pid in [pid for process in started for pid in family(process.pid)]:
                os.kill(pid, signal.SIGKILL)
            break
    started[0].stdout.close()
    for process in started:
        assert process.wait() == (0 if kill_after is None else -signal.SIGKILL), log[-3000:]
    return log


@pytest.mark.e2e
@pytest.mark.parametrize("setup", ["two workers", "two processes"])
def test_kill_and_resume_is_exact(setup, data_bin, train_options, repository, tmp_path):
    # An epoch has 33 updates: the run is resumed in the middle of an epoch and continues into the next.
    command = [sys.executable, "-m", "fairseq_cli.train", str(data_bin), *train_options]
    command += ["--save-interval-updates", "20", "--no-epoch-checkpoints", "--total-num-update", "60"]
    processes = 1
    if setup == "two workers":
        command += ["--num-workers", "2"]
    else:
        processes = 2
        command += ["--batch-size", "8", "--ddp-backend", "legacy_ddp", "--distributed-backend", "gloo"]
        command += ["--distributed-world-size", "2", "--distributed-no-spawn", "--num-workers", "0"]

    def train(updates: int, name: str, **how) -> str:
        options = ["--max-update", str(updates), "--save-dir", str(tmp_path / name)]
        return run([*command, *options], repository, processes, **how)

    whole = train(40, "whole")
    killed = train(60, "killed", kill_after=21)
    resumed = train(40, "killed")

    assert "Loaded checkpoint" in resumed
    assert f"training on {processes} devices" in whole
    expected = losses(whole)
    assert sorted(expected) == list(range(1, 41))
    assert {n: v for n, v in losses(killed).items() if n <= 20} == {n: v for n, v in expected.items() if n <= 20}
    assert losses(resumed) == {n: v for n, v in expected.items() if n > 20}
    states = [torch.load(tmp_path / name / "checkpoint_last.pt")["model"] for name in ("whole", "killed")]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        assert torch.equal(value, states[1][name]), name
