"""Collect finished runs in the paper's Tables 1 to 5, next to the paper's numbers, and plot Figure 4 and the curves.

    swcm paper-report                  reads runs/ and writes to runs/report
    swcm paper-report --runs runs/smoke

Each table is printed and written as Markdown, CSV and LaTeX. Cells without a finished run remain empty. Unfinished runs
are listed with the command that continues them.
"""

import argparse
import sys
from pathlib import Path

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.errors import InputError, report, run_command
from swcm_fairseq.output_files import locked_directory, write_whole
from swcm_fairseq.reporting.figures import draw_table, draw_training
from swcm_fairseq.reporting.filled_tables import FORMATS, FilledTable, as_markdown, fill
from swcm_fairseq.reporting.paper import Paper, read_paper
from swcm_fairseq.reporting.resume_commands import command
from swcm_fairseq.reporting.runs import Runs


def write(filled: FilledTable, output: Path) -> list[Path]:
    """Write the files of one table, and its figure if it has one and there are scores to plot; return the paths."""
    written = []
    for suffix, render in FORMATS.items():
        path = output / f"{filled.table.name}{suffix}"
        write_whole(path, render(filled).encode("utf-8"))
        written.append(path)
    picture = output / f"{filled.table.name}.png"
    if filled.table.figure and draw_table(filled, picture):
        written.append(picture)
    return written


def print_others(runs: Runs, paper: Paper) -> None:
    """Print one line per finished run without a cell in any table, such as your own runs."""
    for task in paper.tasks:
        for run in runs.directories(task):
            if paper.has(task, run.name):
                continue
            cells = {name: runs.number(run, name, "rougeL F1") for name in paper.scores_of(task, run.name)}
            texts = [f"{name} {cell} ({cell.origin})" for name, cell in cells.items() if cell is not None]
            if texts:
                print(f"{run}: not in any table: ROUGE-L F1 {', '.join(texts)}")


def print_unfinished(runs: Runs, paper: Paper) -> None:
    """Print one line per unfinished run."""
    for run, progress in runs.unfinished(paper):
        print(f"{run}: not finished, {progress}; continue with: {command(runs.root, run)}")


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("paper-report", __doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="directory of the runs (default: %(default)s)")
    parser.add_argument("--output", type=Path, help="directory to write to (default: RUNS/report)")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Print the tables, write the files, and list unfinished runs; exit with status 1 if a file is damaged."""
    args = build_parser().parse_args(argv)
    if not args.runs.is_dir():
        raise InputError(
            f"{args.runs}: no such directory; run a recipe of examples/ first, or give another directory with --runs"
        )
    runs, paper, output = Runs(args.runs), read_paper(), args.output or args.runs / "report"
    written = []
    with locked_directory(output):
        for table in paper.tables:
            filled = fill(table, runs, paper.source)
            print(as_markdown(filled))
            written += write(filled, output)
        written += draw_training(runs, paper.tasks, output)
    print_others(runs, paper)
    print_unfinished(runs, paper)
    print(f"\nWritten to {output}: {', '.join(path.name for path in written)}")
    for damage in runs.damaged.values():
        report(damage)
    sys.exit(1 if runs.damaged else 0)


if __name__ == "__main__":
    run_command(main)
