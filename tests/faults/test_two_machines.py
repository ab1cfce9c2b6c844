"""Two "machines" (connected network namespaces), one of which dies in the middle of an epoch."""

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.kills import same, tensors
from tests.faults.test_soak import family
from tests.faults.trainings import options

ADDRESSES = ("10.199.77.1", "10.199.77.2")
ALL = 60  # total number of updates: three epochs
UPDATES = re.compile(r'"num_updates": "(\d+)"')


def ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        raise OSError(f"ip {' '.join(arguments)}: {done.stderr.strip()}")


@pytest.fixture()
def machines() -> Iterator[list[tuple[str, str]]]:
    """Two connected namespaces: the name and network device of each."""
    if shutil.which("ip") is None:
        pytest.skip("ip (iproute2) is not installed")
    names = [f"swcm-{os.getpid()}-{number}" for number in (0, 1)]
    cables = [f"sw{os.getpid()}-{number}" for number in (0, 1)]
    try:
        try:
            for name in names:
                ip("netns", "add", name)
            ip(
                "link",
                "add",
                cables[0],
                "netns",
                names[0],
                "type",
                "veth",
                "peer",
                "name",
                cables[1],
                "netns",
                names[1],
            )
        except OSError as error:
            pytest.skip(f"network namespaces are not allowed here: {error}")
        for name, cable, address in zip(names, cables, ADDRESSES, strict=True):
            ip("-n", name, "address", "add", f"{address}/24", "dev", cable)
            for device in ("lo", cable):
                ip("-n", name, "link", "set", device, "up")
        yield list(zip(names, cables, strict=True))
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


class Machine:
    """One of the two machines: torchrun with one process, in its namespace."""

    def __init__(self, name: str, device: str, number: int, command: list[str], repository: Path):
        launcher = [sys.executable, "-m", "torch.distributed.run", "--nnodes", "2", "--node_rank", str(number)]
        launcher += ["--nproc_per_node", "1", "--rdzv_endpoint", f"{ADDRESSES[0]}:29500"]
        environment = {
            **os.environ,
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(repository),
            "GLOO_SOCKET_IFNAME": device,
        }
        self.process = subprocess.Popen(
            ["ip", "netns", "exec", name, *launcher, "-m", "swcm_fairseq.train", *command],
            cwd=repository,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.log, self.updates = "", 0
        self.reader = threading.Thread(target=self._read, daemon=True)
        self.reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.log += line
            if (found := UPDATES.search(line)) and "train_inner" in line:
                self.updates = int(found[1])

    def die(self) -> None:
        """Simulate a power failure: kill all processes of the machine."""
        for pid in family(self.process.pid):
            os.kill(pid, signal.SIGKILL)

    def end(self) -> int:
        """Wait until it ends; return the exit status."""
        status = self.process.wait()
        self.reader.join()
        return status


@pytest.mark.e2e
@pytest.mark.timeout(1200)
def test_a_machine_dies_and_both_start_again(machines, data, repository, tmp_path):
    """The other machine stops and reports why; after a restart, both end as if nothing had happened."""

    def start(place: str) -> list[Machine]:
        more: list[str | int] = ["--user-dir", "swcm_fairseq"]
        more += ["--samples-per-epoch", 320, "--max-update", ALL, "--num-workers", 1]
        more += ["--save-interval-updates", 3, "--no-epoch-checkpoints", "--disable-validation", "--batch-size", 8]
        more += ["--log-interval", 1, "--distributed-world-size", 2, "--distributed-init-method", "env://"]
        more += ["--distributed-no-spawn", "--distributed-rank", -1, "--distributed-backend", "gloo"]
        more += ["--ddp-backend", "legacy_ddp", "--total-num-update", ALL, "--lr-scheduler", "polynomial_decay"]
        command = options(data, tmp_path / place, "multilingual_denoising_mt", *more)
        return [Machine(name, device, number, command, repository) for number, (name, device) in enumerate(machines)]

    whole = start("whole")
    assert [machine.end() for machine in whole] == [0, 0], whole[0].log[-3000:]

    first, second = start("killed")
    while first.updates < 25 and first.process.poll() is None:
        time.sleep(0.02)
    second.die()
    assert first.end() != 0
    assert "error: another process of this training has ended or cannot be reached" in first.log, first.log[-3000:]

    again = start("killed")
    assert [machine.end() for machine in again] == [0, 0], again[0].log[-3000:]
    assert "Loaded checkpoint" in again[0].log
    last = [tensors(tmp_path / place / "checkpoint_last.pt") for place in ("whole", "killed")]
    assert same(*last)
