"""``swcm ablation-grid``: print rows of examples/ablations/grid.tsv for the recipe that trains them.

Each line has the columns of the grid, separated by |; a "-" in the grid becomes an empty column.
"""

import argparse
import csv
from pathlib import Path

from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.recipe_settings import read_part
from swcm_fairseq.recipes_command import recipes_directory

GRID = "ablations/grid.tsv"
COLUMNS = (
    *("system", "place", "pretraining", "pretraining_options", "common_options"),
    *("finetuning_options", "tasks", "corpora"),
)
OPTIONS = ("common_options", "pretraining_options", "finetuning_options")


def read_grid(path: Path | None = None) -> list[dict[str, str]]:
    """The rows, with the keys :data:`COLUMNS`; "-" marks a column without a value. The default is the recipes' grid."""
    path = path or recipes_directory() / GRID
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    return list(csv.DictReader(lines, COLUMNS, delimiter="\t"))


def chosen(rows: list[dict[str, str]], names: list[str], part: int, parts: int) -> list[dict[str, str]]:
    """The rows of a part, limited to ``names`` if any are given; rows that share a pretraining are in the same part.

    Raises:
        InputError: a name is not in the grid.
    """
    for name in names:
        if name not in {row["system"] for row in rows}:
            raise InputError(f"{name}: no such system; examples/ablations/run.sh --list prints all names")
    groups: dict[str, int] = {}
    for row in rows:
        groups.setdefault(_group(row), len(groups))
    own = [row for row in rows if groups[_group(row)] % parts == part - 1]
    return [row for row in own if not names or row["system"] in names]


def _group(row: dict[str, str]) -> str:
    return row["system"] if row["pretraining"] == "-" else row["pretraining"]


def _described(row: dict[str, str]) -> str:
    options = " ".join("" if row[column] == "-" else row[column] for column in OPTIONS)
    return f"{row['system']:<17} {row['place']:<9} {options}"


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="swcm ablation-grid", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--part", default="1/1", metavar="I/N", help="the I-th of N parts (default: %(default)s)")
    parser.add_argument("--describe", action="store_true", help="print a readable list of systems and their options")
    parser.add_argument("names", nargs="*", metavar="SYSTEM", help="systems to print (default: all)")
    return parser


def main() -> None:
    """Run the command line."""
    args = build_parser().parse_args()
    for row in chosen(read_grid(), args.names, *read_part(args.part)):
        print(_described(row) if args.describe else "|".join("" if value == "-" else value for value in row.values()))


if __name__ == "__main__":
    run_command(main)
