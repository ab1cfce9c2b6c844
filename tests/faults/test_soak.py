"""Long runs: after the second epoch, neither the number of processes nor their memory grows."""

import gc
import logging
import multiprocessing
import os
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from tests.faults.trainings import TASKS, quiet, train

EPOCHS = int(os.environ.get("SWCM_SOAK_EPOCHS", 6))  # make faults: 30


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [pid, *(member for child in children for member in family(int(child)))]


def memory(pids: list[int]) -> float:
    """Total memory of processes in MB, without mapped files; shared memory is counted once.

    Mapped files are not counted, because the share of a library depends on which other processes have it open.
    """
    lines = [line for pid in pids for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss_Anon:")) / 1024


class EachEpoch(logging.Handler):
    """Sends the number of processes and MB at the beginning of each epoch."""

    def __init__(self, to: Connection):
        super().__init__()
        self.to = to

    def emit(self, record: logging.LogRecord) -> None:
        if record.getMessage().startswith("begin training epoch"):
            pids = family(os.getpid())
            self.to.send((len(pids), memory(pids)))


def measured_training(to: Connection, log: Path, *arguments) -> None:
    quiet(log)
    gc.freeze()  # otherwise, the collector would write to pages shared with the parent, which copies them
    logger = logging.getLogger("fairseq.trainer")
    logging.disable(logging.NOTSET)  # earlier tests in this process may have disabled it
    logger.disabled = False
    logger.setLevel(logging.INFO)
    logger.addHandler(EachEpoch(to))
    train(*arguments)
    to.close()


@pytest.mark.parametrize("workers", [0, 1, 4])
@pytest.mark.parametrize("task", TASKS)
def test_processes_and_memory_are_flat(task, workers, data, tmp_path):
    receiver, sender = multiprocessing.Pipe(duplex=False)
    more = ("--num-workers", workers, "--samples-per-epoch", 32, "--max-epoch", EPOCHS, "--keep-last-epochs", 1)
    arguments = (sender, tmp_path / "log", data, tmp_path / "run", task, *more)
    process = multiprocessing.get_context("fork").Process(target=measured_training, args=arguments)
    process.start()
    sender.close()
    epochs = []
    while True:
        try:
            epochs.append(receiver.recv())
        except EOFError:
            break
    process.join()
    assert process.exitcode == 0, (tmp_path / "log").read_text()[-3000:]
    assert len(epochs) == EPOCHS
    processes, megabytes = zip(*epochs, strict=True)
    # One set of workers for training, and one for validation that lives as long as the training run.
    assert set(processes[2:]) == {processes[2]} and processes[2] <= 1 + 2 * workers
    assert max(megabytes[2:]) < 1.05 * megabytes[2] + 10
