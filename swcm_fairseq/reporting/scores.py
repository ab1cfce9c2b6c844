"""Print the scores of one run as a table: ``swcm run-scores RUN`` reads RUN/scores/*.json."""

import argparse
from pathlib import Path

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.errors import InputError, exists, run_command
from swcm_fairseq.scoring.score_report import read_json, table

# Name of a number in a scores file -> heading of its column.
COLUMNS = {
    "rougeL F1": "ROUGE-L F1",
    "rougeL P": "P",
    "rougeL R": "R",
    "BLEU": "BLEU",
    "chrF2++": "chrF++",
    "script": "script",
    "language": "language",
}


def row(path: Path) -> tuple[list[str], str]:
    """The cells of one line of the table, and the signature of its ROUGE-L."""
    evaluation = read_json(path)
    values = evaluation.systems[0].values
    cells = [f"{values[name].score:.2f}" if name in values else "" for name in COLUMNS]
    if "rougeL" not in evaluation.signatures:
        raise InputError(f"{path}: has no signature for ROUGE-L; delete it and run the recipe again")
    return [path.stem, str(evaluation.segments), *cells], evaluation.signatures["rougeL"]


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("run-scores", __doc__)
    parser.add_argument("run", type=Path, help="directory of the run")
    return parser


def main() -> None:
    """Print the table and the signatures."""
    folder = build_parser().parse_args().run / "scores"
    if not exists(folder) or not (paths := sorted(folder.glob("*.json"))):
        raise InputError(f"{folder}: no scores yet; run the recipe again")
    rows = [row(path) for path in paths]
    print(table(["test set", "lines", *COLUMNS.values()], [cells for cells, _ in rows]))
    print("\nin percent; script and language: share of the outputs in the expected script and language")
    for signature in dict.fromkeys(signature for _, signature in rows):
        print(signature)


if __name__ == "__main__":
    run_command(main)
