"""The scores of one run as a table: ``python -m swcm_fairseq.reporting.scores RUN`` reads RUN/scores/*.json."""

import sys
from pathlib import Path

from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.scoring.score_report import read_json, table

# Names of the numbers in a report -> heading of the column.
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
    """One line of the table, and the signature of its ROUGE-L."""
    evaluation = read_json(path)
    values = evaluation.systems[0].values
    cells = [f"{values[name].score:.2f}" if name in values else "" for name in COLUMNS]
    return [path.stem, str(evaluation.segments), *cells], evaluation.signatures["rougeL"]


def main() -> None:
    """Print the table and the signatures."""
    paths = sorted(Path(sys.argv[1], "scores").glob("*.json"))
    if not paths:
        raise InputError(f"{sys.argv[1]}/scores: no scores yet; run the recipe again")
    rows = [row(path) for path in paths]
    print(table(["test set", "lines", *COLUMNS.values()], [cells for cells, _ in rows]))
    print("\nin percent; script and language: share of the outputs in the right one")
    for signature in dict.fromkeys(signature for _, signature in rows):
        print(signature)


if __name__ == "__main__":
    run_command(main)
