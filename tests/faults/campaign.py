"""Run every command on broken inputs, and tabulate the outcomes.

    python -m tests.faults.campaign [--cases 5000] [--seed 1] [--workers 2] [--output tests/faults/RESULTS.md]

A case breaks one part of a valid command line: bytes of a file, a value in JSON or YAML, the output path, or an option.
It is drawn from (seed, case number) and judged by ``tests.faults.oracle``.
"""

import argparse
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import chdir
from dataclasses import dataclass
from itertools import repeat
from multiprocessing import get_context
from pathlib import Path

from tests.faults.breaking import break_file, break_option, break_output
from tests.faults.oracle import Verdict, judge
from tests.faults.valid_commands import COMMANDS, make_inputs

PART = 50  # number of cases sent to a worker process at a time
KINDS = ("bytes", "values", "output", "option")
FAULTS = ("traceback", "hang", "loss", "unclear")


@dataclass
class Case:
    """One case, drawn from (seed, number)."""

    command: str
    kind: str
    what: str
    argv: list[str]
    verdict: Verdict


def run_case(seed: int, number: int, inputs: Path, folder: Path) -> Case:
    """Make, run and judge a case in an empty folder."""
    chance = random.Random(f"{seed} {number}")
    name = chance.choice([name for name, command in COMMANDS.items() for _ in range(command.weight)])
    command, kind = COMMANDS[name], chance.choices(KINDS, (4, 4, 1, 1))[0]
    shutil.copytree(inputs, folder / "in")
    (folder / "out").mkdir()
    argv = [part.format(**{"in": folder / "in", "out": folder / "out"}) for part in command.line.split()]
    what = ""
    if kind in ("bytes", "values"):
        structured = [file for file in command.files if Path(file).suffix in (".json", ".yaml", ".pt", ".jsonl")]
        what = chance.choice(structured if kind == "values" and structured else command.files)
        break_file(folder / "in" / what, kind, chance)
        if name == "run":
            _relocate(folder, inputs)
    else:
        argv = break_output(argv, folder, chance) if kind == "output" else break_option(argv, chance)
    counted = command.counted and kind in ("bytes", "values")
    with chdir(folder / "out"):  # for relative output paths
        verdict = judge(command.main, argv, [folder / "in"], folder / "out/r" if counted else None)
    return Case(name, kind, what, argv, verdict)


def _relocate(folder: Path, inputs: Path) -> None:
    """Replace the input paths in a manifest with those in the folder of this case."""
    path = folder / "in/manifest.yaml"
    path.write_bytes(path.read_bytes().replace(str(inputs).encode(), str(folder / "in").encode()))


def run_cases(seed: int, numbers: range, inputs: Path) -> list[tuple[int, Case]]:
    """Run cases, each in a separate folder; for worker processes."""
    found = []
    for number in numbers:
        folder = inputs.parent / f"case{number}"
        folder.mkdir()
        found.append((number, run_case(seed, number, inputs, folder)))
        shutil.rmtree(folder, ignore_errors=True)
    return found


def campaign(cases: int, seed: int, show: Callable[[int, Case], None], workers: int = 1) -> dict[str, Counter[str]]:
    """Run the cases; return command -> counts of verdicts."""
    table: dict[str, Counter[str]] = {name: Counter() for name in COMMANDS}
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as place:
        inputs = Path(place) / "valid"
        inputs.mkdir()
        make_inputs(inputs)
        parts = [range(first, min(first + PART, cases)) for first in range(0, cases, PART)]
        with ProcessPoolExecutor(workers, get_context("fork")) as pool:
            run = pool.map if workers > 1 else map
            for found in run(run_cases, repeat(seed), parts, repeat(inputs)):
                for number, case in found:
                    table[case.command][case.verdict.kind] += 1
                    show(number, case)
    return table


def as_table(table: dict[str, Counter[str]], cases: int, seed: int) -> str:
    """The counts as a Markdown table."""
    heads = ("done", "refused in one line", "tracebacks", "hangs", "losses", "unclear")
    kinds = ("ok", "refused", *FAULTS)
    lines = [f"# {cases:,} broken inputs, seed {seed}", "", f"| command | cases | {' | '.join(heads)} |"]
    lines.append("|:---|" + "---:|" * (len(heads) + 1))
    total: Counter[str] = sum(table.values(), Counter())
    for name, counts in {**table, "all": total}.items():
        lines.append(f"| {name} | {counts.total():,} | {' | '.join(f'{counts[kind]:,}' for kind in kinds)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run the campaign and print the table; exit with status 1 if a case is a fault."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=2, help="processes (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="also write the table to this file")
    args = parser.parse_args()
    start = time.monotonic()

    def show(number: int, case: Case) -> None:
        if case.verdict.is_fault:
            line = " ".join(case.argv)[-150:]
            print(
                f"{number} {case.command} {case.kind} {case.what}: {case.verdict.kind}: {case.verdict.detail} [{line}]",
                flush=True,
            )

    table = campaign(args.cases, args.seed, show, args.workers)
    text = as_table(table, args.cases, args.seed)
    print(f"{text}\n{time.monotonic() - start:.0f} s")
    if args.output:
        args.output.write_text(text, encoding="utf-8")
    sys.exit(any(counts[kind] for counts in table.values() for kind in FAULTS))


if __name__ == "__main__":
    main()
