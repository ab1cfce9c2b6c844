"""Print the name of the best-scoring setting of a grid: ``swcm best-setting GRID --scores bo``.

GRID contains one directory per setting, named after it, with scores/NAME.json.
"""

import argparse
from pathlib import Path

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.scoring.score_report import read_json


def best_setting(grid: Path, scores: str, value: str = "rougeL F1") -> str:
    """The name of the directory with the highest score; ties go to the first name in alphabetical order.

    Raises:
        InputError: ``grid`` contains no settings, or a scores file is missing, damaged or lacks the score.
    """
    found: dict[str, float] = {}
    for path in sorted(grid.iterdir()) if grid.is_dir() else []:
        values = read_json(path / "scores" / f"{scores}.json").systems[0].values
        if value not in values:
            raise InputError(f"{path}/scores/{scores}.json: has no {value}; score again")
        found[path.name] = values[value].score
    if not found:
        raise InputError(f"{grid}: contains no settings; run the recipe that scores them first")
    return max(found, key=lambda name: found[name])


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("best-setting", __doc__)
    parser.add_argument("grid", type=Path, help="directory with one directory per setting")
    parser.add_argument("--scores", required=True, help="name of the scores file, without .json")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Print the best setting."""
    args = build_parser().parse_args(argv)
    print(best_setting(args.grid, args.scores))


if __name__ == "__main__":
    run_command(main)
