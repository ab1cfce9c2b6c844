"""``swcm ablation-grid``: print the systems in examples/ablations/grid.tsv, each with the command that trains it.

Each line has three columns separated by tabs: the system, its table or figure in the paper, and a command line of bash.
A line that begins with # says that a system is left out, and why.
"""

import argparse
import csv
import shlex
from pathlib import Path

from swcm_fairseq.command_parser import command_parser
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


def command_line(row: dict[str, str], scale: str, runs: str, encoder: str, manifests: str, dry_run: bool) -> str:
    """The recipes that pretrain and fine-tune a system, in one line of bash that stops at the first failure."""
    before, both, after = ([] if row[column] == "-" else row[column].split() for column in COLUMNS[3:6])
    flags = ["--dry-run", "--"] if dry_run else ["--"]
    start, commands = encoder, []
    if (name := row["pretraining"]) != "-":
        start = f"{runs}/pretraining/{name}/checkpoint_last.pt"
        commands.append(["examples/pretraining/single_gpu.sh", "--name", name, *flags, *before, *both])
    if scale == "smoke":  # a thousandth of the samples
        after = [word.removesuffix("000") for word in after]
    corpora = [] if row["corpora"] == "-" else ["env", f"MANIFEST={manifests}/{row['corpora']}.yaml"]
    for task in row["tasks"].split(","):
        recipe = [f"examples/finetuning/{task}.sh", "--name", row["system"], "--start", start]
        commands.append([*corpora, *recipe, *flags, *both, *after])
    return " && ".join(map(shlex.join, commands))


def _line(row: dict[str, str], args: argparse.Namespace) -> str:
    if args.scale == "smoke" and row["common_options"].endswith(("interval 5", "interval 6")):
        return f"# {row['system']}: skipped at SCALE=smoke, whose encoder has four layers"
    command = command_line(row, args.scale, args.runs, args.encoder, args.manifests, args.dry_run)
    return "\t".join((row["system"], row["place"], command))


def _described(row: dict[str, str]) -> str:
    options = " ".join("" if row[column] == "-" else row[column] for column in OPTIONS)
    return f"{row['system']:<17} {row['place']:<9} {options}"


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("ablation-grid", __doc__)
    parser.add_argument("--part", default="1/1", metavar="I/N", help="the I-th of N parts (default: %(default)s)")
    parser.add_argument("--describe", action="store_true", help="print a readable list of systems and their options")
    parser.add_argument("--dry-run", action="store_true", help="make the commands only print what they would run")
    parser.add_argument("--runs", default="runs", help="directory of the runs (default: %(default)s)")
    parser.add_argument(
        "--encoder", default="encoders/cino-base-v2", help="directory of the encoder (default: %(default)s)"
    )
    parser.add_argument(
        "--manifests", default="examples/manifests", help="directory of the manifests (default: %(default)s)"
    )
    parser.add_argument(
        "--scale", choices=("full", "smoke"), default="full", help="scale of the recipes (default: %(default)s)"
    )
    parser.add_argument("names", nargs="*", metavar="SYSTEM", help="systems to print (default: all)")
    return parser


def main() -> None:
    """Run the command line."""
    args = build_parser().parse_args()
    for row in chosen(read_grid(), args.names, *read_part(args.part)):
        print(_described(row) if args.describe else _line(row, args))


if __name__ == "__main__":
    run_command(main)
