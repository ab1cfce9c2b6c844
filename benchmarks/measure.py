"""Common code of the benchmarks: describing the machine, taking turns, measuring time and memory, writing reports.

A benchmark passes its contestants to :func:`alternate`, computes :class:`Ratio` claims from the results, and writes a
:class:`Report`: ``<question>_<hardware>_<date>.md`` for reading, and ``.json`` with the same content and all raw
numbers.
"""

import argparse
import json
import logging
import multiprocessing
import os
import platform
import re
import resource
import shlex
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import torch
from tqdm import tqdm

logging.disable(logging.INFO)  # of torch.compile and matplotlib; fairseq enables all logging

T = TypeVar("T")
MIB = 2**20
RESULTS = Path(__file__).with_name("results")
PACKAGES = ("torch", "ve-fairseq", "swcm_fairseq")
MISSED = "Why an aim is missed: [benchmarks/README.md](../README.md#what-limits-the-numbers)."


def build_parser(description: str, rounds: int) -> argparse.ArgumentParser:
    """A parser with the options of every benchmark."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu", help="where to compute (default: cpu)")
    parser.add_argument("--threads", type=int, default=1, metavar="N", help="threads per process on a CPU (default: 1)")
    parser.add_argument(
        "--rounds", type=int, default=rounds, metavar="N", help=f"turns per contestant (default: {rounds})"
    )
    parser.add_argument("--note", default="", help="line to add to the report, for example about other programs")
    parser.add_argument(
        "--output", type=Path, default=RESULTS, metavar="DIR", help="directory for reports (%(default)s)"
    )
    return parser


def add_numbers(parser: argparse._ActionsContainer, table: str) -> None:
    """Add an option for each line of a table with its name, its default (a whole number) and its help text."""
    for line in table.strip().splitlines():
        name, default, text = line.split(maxsplit=2)
        flag = f"--{name.replace('_', '-')}"
        parser.add_argument(flag, type=int, default=int(default), metavar="N", help=f"{text} (default: {default})")


def text_of(options: argparse.Namespace) -> str:
    """For the report, the name of ``--data`` or a description of the made-up text."""
    return options.data.name if options.data else f"made-up text, {options.vocabulary:,} symbols"


def machine(device: str) -> str:
    """A description of the processor (cores, threads) or the GPU (memory), without names of people or hosts."""
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        return f"{properties.name}, {properties.total_memory / 2**30:.0f} GiB"
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    name = models[0] if models else platform.processor() or platform.machine()
    return f"{name}, {len(models) or 1} cores, {torch.get_num_threads()} thread(s), {platform.system()}"


def hardware(device: str) -> str:
    """The hardware as a part of a file name: ``amd-epyc-2cores``, ``nvidia-h200``."""
    name = machine(device)
    parts = name.split(",")[: 1 if device == "cuda" else 2]
    return re.sub(r"[^a-z0-9]+", "-", " ".join(parts).lower().replace(" cores", "cores")).strip("-")


def versions(*more: str) -> str:
    """The versions of Python and of relevant packages, including ``more``."""
    return ", ".join([f"Python {platform.python_version()}", *(f"{name} {version(name)}" for name in PACKAGES + more)])


def environment(device: str) -> dict[str, str]:
    """The environment for fairseq-train; on a CPU, GPUs are hidden, because fairseq would use them."""
    return {**os.environ, **({"CUDA_VISIBLE_DEVICES": ""} if device == "cpu" else {})}


def peak_memory(device: str) -> float:
    """The peak memory of this process so far in MiB: allocated on the GPU, or resident on a CPU."""
    if device == "cuda":
        return torch.cuda.max_memory_allocated() / MIB
    status = Path("/proc/self/status")
    if status.exists():  # unlike ru_maxrss, not inherited from the process that started this one
        found = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
        if found:
            return int(found[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (MIB if sys.platform == "darwin" else 1024)


def seconds(step: Callable[[], Any], device: str) -> float:
    """The seconds that a call takes: wall-clock time on a GPU; on a CPU, processor time, which others hardly affect."""
    clock = time.perf_counter if device == "cuda" else time.process_time
    before = clock()
    step()
    if device == "cuda":
        torch.cuda.synchronize()
    return clock() - before


def describe_rounds(options: argparse.Namespace) -> str:
    """The number of measurements, for the report; ``options.steps`` are timed per turn."""
    clock = "of wall-clock time" if options.device == "cuda" else "of processor time"
    return f"{options.rounds} rounds of {options.steps} steps after an uncounted one; median (range); seconds {clock}"


def apart(function: Callable[..., T], *arguments: Any) -> T:
    """Call ``function(*arguments)`` in a separate process, so that its memory can be measured.

    The process is a fork, so nothing is imported again; this process must not have used the GPU before.
    """
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("fork")) as pool:
        return pool.submit(function, *arguments).result()


def alternate(rounds: int, contestants: dict[str, Callable[[], T]]) -> dict[str, list[T]]:
    """The results of each contestant in each round. Contestants take turns; each round starts with a different one."""
    names = list(contestants)
    turns = [name for i in range(rounds) for name in names[i % len(names) :] + names[: i % len(names)]]
    results: dict[str, list[T]] = {name: [] for name in names}
    for name in (progress := tqdm(turns, disable=None)):
        progress.set_description(name)
        results[name].append(contestants[name]())
    return results


def spread(values: Sequence[float], digits: int = 2) -> str:
    """The median and range, such as ``0.48 (0.47-0.50)``, or a single value."""
    middle = f"{statistics.median(values):,.{digits}f}"
    return middle if len(values) == 1 else f"{middle} ({min(values):,.{digits}f}-{max(values):,.{digits}f})"


@dataclass
class Ratio:
    """A claim that compares one contestant with another, round by round.

    Attributes:
        name: the name of the claim, such as ``tokens/s, ours / stock fairseq``.
        values: the ratio in each round.
        at_least: the aim, if a large ratio is good.
        at_most: the aim, if a small ratio is good.
        above: the measurements of the first contestant, one per round; [] if the ratio was measured directly.
        below: the measurements of the second contestant.
    """

    name: str
    values: list[float]
    at_least: float | None = None
    at_most: float | None = None
    above: list[float] = field(default_factory=list)
    below: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, name: str, above: Sequence[float], below: Sequence[float], **aims: float) -> "Ratio":
        """``above / below`` in each round."""
        values = [a / b for a, b in zip(above, below, strict=True)]
        return cls(name, values, above=list(above), below=list(below), **aims)

    @property
    def median(self) -> float:
        """The median over rounds."""
        return statistics.median(self.values)

    @property
    def aim(self) -> str:
        """The aim in words, and whether it is met."""
        if self.at_least is not None:
            return f"at least {self.at_least:g}: {'met' if self.median >= self.at_least else 'missed'}"
        if self.at_most is not None:
            return f"at most {self.at_most:g}: {'met' if self.median <= self.at_most else 'missed'}"
        return ""


@dataclass
class Report:
    """The answer to one question.

    Attributes:
        title: the heading.
        device: ``cpu`` or ``cuda``.
        settings: the lines that describe what was measured and how.
        headers: the column headings of the table.
        rows: the rows of the table, as text.
        ratios: the claims.
        notes: paragraphs, or the lines of another table, to add after the claims.
        packages: further packages whose versions are relevant.
        raw: all measurements, for the JSON file.
        question: the first part of the file names, such as ``train_step``; by default, the name of the program.
    """

    title: str
    device: str
    settings: list[str]
    headers: list[str]
    rows: list[list[str]]
    ratios: list[Ratio] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    packages: Sequence[str] = ()
    raw: Any = None
    question: str = field(default_factory=lambda: Path(sys.argv[0]).stem)

    def markdown(self) -> str:
        """The text of the Markdown file."""
        facts = [machine(self.device), versions(*self.packages), *self.settings]
        lines = [f"# {self.title}", "", f"`{command()}`", "", *(f"* {fact}" for fact in facts), ""]
        lines += table(self.headers, self.rows)
        if self.ratios:
            claims = [[ratio.name, spread(ratio.values), ratio.aim] for ratio in self.ratios]
            lines += ["", *table(["ratio", "median (range over rounds)", "aim"], claims)]
            if any("missed" in ratio.aim for ratio in self.ratios):
                lines += ["", MISSED]
        return "\n".join([*lines, *(f"\n{note}" for note in self.notes)]) + "\n"

    def content(self) -> dict[str, Any]:
        """The contents of the JSON file."""
        ratios = [{**asdict(ratio), "median": ratio.median, "aim": ratio.aim} for ratio in self.ratios]
        own = {"command": command(), "date": today(), "machine": machine(self.device)}
        return {**asdict(self), **own, "versions": versions(*self.packages), "ratios": ratios}

    def stem(self, output: Path) -> Path:
        """The path of both files in the directory ``output``, without extension."""
        return output / f"{self.question}_{hardware(self.device)}_{today()}"

    def write(self, output: Path, note: str = "") -> None:
        """Write both files to the directory ``output``, with ``note`` added to the settings, and print the text."""
        self.settings += [note] if note else []
        output.mkdir(parents=True, exist_ok=True)
        stem = self.stem(output)
        text = self.markdown()
        Path(f"{stem}.md").write_text(text, encoding="utf-8")
        Path(f"{stem}.json").write_text(json.dumps(self.content(), indent=1) + "\n", encoding="utf-8")
        print(f"{text}\nwritten: {stem}.md and .json")


def table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """The lines of a Markdown table."""
    lines = [headers, ["---"] * len(headers), *rows]
    return ["| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |" for cells in lines]


def today() -> str:
    """The date of the report, UTC."""
    return f"{datetime.now(UTC):%Y-%m-%d}"


def command() -> str:
    """The command line of this program without ``--output`` and ``--note``, for the report."""
    words = ["python", f"benchmarks/{Path(sys.argv[0]).name}", *sys.argv[1:]]
    for option in ("--output", "--note"):
        if option in words:
            at = words.index(option)
            del words[at : at + 2]
    return shlex.join(words)
