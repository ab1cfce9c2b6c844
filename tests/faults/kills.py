"""Kill training runs at random, restart them with the same command, and compare the results with uninterrupted runs.

    python -m tests.faults.kills [--kills 30] [--seed 1]

The runs train both tasks, with and without worker processes, and save a checkpoint every second update. A third of the
kills happen at any time, a third while a checkpoint is written, and a third while it is copied. Nothing is repaired
between a kill and the restart. The final table counts what the kills have hit.
"""

import argparse
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path

import torch

from swcm_fairseq.output_files import PARTIAL
from tests.faults.trainings import TASKS, quiet, train
from tests.tasks.task_data import fill

UPDATES, PATIENCE_S, POLL_S = 12, 600, 0.0005
WRITING, COPYING = "while a checkpoint was written", "while a checkpoint was copied"
ANY_TIME = "at any time"
BEFORE, BETWEEN = "before the first checkpoint", "between two checkpoints"
# Checkpoints of a few MB, so that a run can be killed while one is written.
SIZE = ("--encoder-embed-dim", 128, "--encoder-ffn-embed-dim", 256)
OFTEN = ("--save-interval-updates", 2, "--keep-interval-updates", 2, "--samples-per-epoch", 80, "--disable-validation")


@dataclass
class Victim:
    """A training run to kill.

    Attributes:
        task, workers: the task, and the number of worker processes.
        data, place: the data directory and the directory of the run.
        hit: counts of what the kills have hit.
    """

    task: str
    workers: int
    data: Path
    place: Path
    hit: Counter[str] = field(default_factory=Counter)

    def start(self) -> BaseProcess:
        """Start the run in a separate process, always with the same command."""
        more = ("--num-workers", self.workers, *SIZE, *OFTEN, "--max-update", UPDATES)
        arguments = (self.data, self.place / "run", self.task, *more)
        process = multiprocessing.get_context("fork").Process(target=_run, args=(self.place / "log", arguments))
        process.start()
        return process

    def finish(self) -> dict[str, torch.Tensor]:
        """Let the run finish; return its parameters and optimizer state."""
        process = self.start()
        process.join(PATIENCE_S)
        if process.exitcode != 0:
            raise SystemExit(f"error: {self.place}: ended with {process.exitcode}; the log is {self.place / 'log'}")
        return tensors(self.place / "run/checkpoint_last.pt")

    def kill(self, when: str, rng: random.Random, seconds: float) -> bool:
        """Start the run and kill it, at the latest after ``seconds``; False if it finishes before."""
        process = self.start()
        state = deque(self._moments(process, when, rng, seconds), maxlen=1)
        process.kill()
        process.join()
        if process.exitcode != -signal.SIGKILL:
            return False
        self.hit[state.pop() if state else BEFORE] += 1
        return True

    def _moments(self, process: BaseProcess, when: str, rng: random.Random, seconds: float) -> Iterator[str]:
        """Yield the state of the run until it is time to kill it."""
        end = time.monotonic() + (rng.uniform(0, seconds) if when == ANY_TIME else PATIENCE_S)
        skip = rng.randrange(4) if when != ANY_TIME else 0  # not always the first one of a run
        seen = ""
        while process.is_alive() and time.monotonic() < end:
            time.sleep(POLL_S)
            state = self.state()
            yield state
            if state == when and seen != when:
                if skip == 0:
                    time.sleep(rng.uniform(0, 0.003))
                    return
                skip -= 1
            seen = state

    def state(self) -> str:
        """The state of the run, according to its files."""
        try:
            names = os.listdir(self.place / "run")
        except FileNotFoundError:
            return BEFORE
        if any(name.endswith(".pt.tmp") for name in names):
            return WRITING
        if any(name.endswith(PARTIAL) for name in names):
            return COPYING
        return BETWEEN if "checkpoint_last.pt" in names else BEFORE


def _run(log: Path, arguments: tuple) -> None:
    quiet(log)
    train(*arguments)


def tensors(path: Path) -> dict[str, torch.Tensor]:
    """All tensors of a checkpoint, by their path in it."""
    found: dict[str, torch.Tensor] = {}

    def walk(name: str, value: object) -> None:
        if isinstance(value, torch.Tensor):
            found[name] = value
        elif isinstance(value, dict):
            for key, each in value.items():
                walk(f"{name}.{key}", each)

    state = torch.load(path, weights_only=True)
    walk("model", state["model"])
    walk("optimizer", state["last_optimizer_state"])
    return found


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Whether the results of two runs are equal, bit for bit."""
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def campaign(place: Path, kills: int, seed: int, workers: Sequence[int] = (0, 2)) -> tuple[Counter[str], int]:
    """Kill training runs.

    Args:
        place: an empty directory.
        kills: number of kills.
        seed: random seed of their times.
        workers: numbers of worker processes; each task is trained with each of them.

    Returns:
        counts of what the kills have hit, and the number of kills in runs whose result is unchanged.
    """
    data, rng, hit, unharmed = fill(place / "data", train=30, longest=9), random.Random(seed), Counter[str](), 0
    kinds = [(task, number) for task in TASKS for number in workers]
    for number, (task, loaders) in enumerate(kinds):
        (place / f"whole-{number}").mkdir()
        started = time.monotonic()
        whole = Victim(task, loaders, data, place / f"whole-{number}").finish()
        seconds = time.monotonic() - started
        share, round_ = kills * (number + 1) // len(kinds) - kills * number // len(kinds), 0
        while share > 0:
            (place / f"killed-{number}-{round_}").mkdir()
            victim = Victim(task, loaders, data, place / f"killed-{number}-{round_}")
            times = 0
            while times < min(share, 4) and victim.kill(rng.choice((ANY_TIME, WRITING, COPYING)), rng, seconds):
                times += 1
            identical = same(victim.finish(), whole)
            print(
                f"{task}, {loaders} workers: killed {times} times, {'identical' if identical else 'DIFFERENT'}",
                flush=True,
            )
            hit += victim.hit
            unharmed += times if identical else 0
            share, round_ = share - times, round_ + 1
    return hit, unharmed


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--kills", type=int, default=30)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place:
        hit, unharmed = campaign(Path(place), args.kills, args.seed)
    print("\n| killed | kills |\n|---|---|")
    for state, number in hit.most_common():
        print(f"| {state} | {number} |")
    print(f"\n{unharmed} of {sum(hit.values())} kills: final parameters and optimizer identical, nothing repaired")
    sys.exit(0 if unharmed == sum(hit.values()) else 1)


if __name__ == "__main__":
    import swcm_fairseq  # noqa: F401  (registers the tasks)

    main()
