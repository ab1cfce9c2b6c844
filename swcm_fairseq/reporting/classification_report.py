"""Compare classification runs with CINO's Tables 3 to 5: accuracy and F1 by language, mean and range over seeds.

Reads the output of swcm_fairseq.classify: LANG.predictions and LANG.labels in the folders test and dev of
RUNS/classification/SET/SYSTEM/seed-N.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import yaml

from swcm_fairseq.checkpoint_state import Options
from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.data.languages import BRIDGE
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.scoring.label_metrics import LABEL_SCORES, label_counts
from swcm_fairseq.scoring.score_report import markdown_table
from swcm_fairseq.scoring.segment_files import check_lengths, read_lines, write_output

CINO_TABLES = Path(__file__).with_name("cino_tables.yaml")
MINORITIES, ALL = "minorities", "all"

DEV, TEST = "dev", "test"
ACCURACY = " accuracy"  # end of the name of an accuracy column

Scores = dict[str, list[float]]  # "LANGUAGE SCORE" or "dev LANGUAGE SCORE" -> one percentage per seed


def read_labels(path: Path) -> np.ndarray:
    """Class indices, int64, shape (lines,); raises :class:`InputError` for a line that is not a class index."""
    lines = read_lines(path)
    for number, line in enumerate(lines, start=1):
        if not line.isdecimal():
            raise InputError(f"{path}:{number}: {line!r} is not a class index; write the file with swcm classify")
    return np.array([int(line) for line in lines])


def seed_scores(directory: Path) -> dict[str, float]:
    """All scores of one seed in percent, by language, and their means over minority languages and all languages."""
    scores: dict[str, float] = {}
    langs = sorted(path.stem for path in directory.glob("*.labels"))
    for lang in langs:
        paths = [directory / f"{lang}.{name}" for name in ("labels", "predictions")]
        true, predicted = map(read_labels, paths)
        check_lengths(list(zip(paths, (true.tolist(), predicted.tolist()), strict=True)))
        counts = label_counts(true, predicted, int(max(true.max(), predicted.max())) + 1)
        scores |= {f"{lang} {name}": 100 * score(counts) for name, score in LABEL_SCORES.items()}
    for group, members in ((MINORITIES, [lang for lang in langs if lang != BRIDGE]), (ALL, langs)):
        if members:
            for name in LABEL_SCORES:
                scores[f"{group} {name}"] = float(np.mean([scores[f"{lang} {name}"] for lang in members]))
    return scores


def system_scores(run: Path) -> Scores:
    """Scores of all seeds of a system; {} if no seed has been tested."""
    found: Scores = defaultdict(list)
    for split in (DEV, TEST):
        for directory in sorted(run.glob(f"seed-*/{split}")):
            for name, score in seed_scores(directory).items():
                found[f"{DEV} {name}" if split == DEV else name].append(score)
    return dict(found)


def cell(values: list[float] | None) -> str:
    """The mean and, for several seeds, the range: ``42.6 (41.9 to 43.2)``."""
    if not values:
        return ""
    several = f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else ""
    return f"{np.mean(values):.1f}{several}"


def own_rows(systems: dict[str, Scores], columns: Sequence[str]) -> list[list[str]]:
    """One row per system of ours: name, number of seeds, cells."""
    return [
        [system, str(len(next(iter(scores.values())))), *(cell(scores.get(column)) for column in columns)]
        for system, scores in systems.items()
    ]


def tables(name: str, systems: dict[str, Scores], paper: Options) -> str:
    """One set as Markdown: our systems and the paper's, then our accuracies if the paper reports only F1."""
    published = paper["tables"].get(name, {"title": name, "columns": [], "rows": {}})
    own = dict.fromkeys(column for scores in systems.values() for column in scores)
    columns = [c for c in published["columns"] if c in own] or list(own)
    numbers = [published["columns"].index(c) for c in columns] if published["rows"] else []
    rows = own_rows(systems, columns)
    rows += [
        [f"{system} (paper)", "5", *(f"{values[number]:.1f}" for number in numbers)]
        for system, values in published["rows"].items()
    ]
    text = f"### {published['title']}\n\n{markdown_table(['system', 'seeds', *columns], rows)}\n"
    if any(column.endswith(ACCURACY) for column in columns):
        return text
    accuracies = [column for column in own if column.endswith(ACCURACY)]
    return f"{text}\n{markdown_table(['system', 'seeds', *accuracies], own_rows(systems, accuracies))}\n"


def build_parser() -> argparse.ArgumentParser:
    """The command line of ``swcm classification-report``."""
    parser = command_parser("classification-report", __doc__)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="directory of the runs (default: %(default)s)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="also write the tables to FILE, as Markdown")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write all scores of every seed to FILE")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = build_parser().parse_args(argv)
    root = args.runs / "classification"
    found: dict[str, dict[str, Scores]] = defaultdict(dict)
    for run in sorted(root.glob("*/*")):
        scores = system_scores(run)
        if scores:
            found[run.parent.name][run.name] = scores
    if not found:
        raise InputError(f"{root}: no tested runs; run a recipe of examples/classification/ or give --runs")
    paper = yaml.safe_load(CINO_TABLES.read_text(encoding="utf-8"))
    legend = f"In percent: mean over seeds (minimum to maximum). Paper: {paper['source']}.\n"
    text = "\n".join([*(tables(name, systems, paper) for name, systems in found.items()), legend])
    write_output(lambda: text, None)
    if args.output is not None:
        write_output(lambda: text, args.output)
    if args.json is not None:
        write_output(lambda: json.dumps(found, indent=1) + "\n", args.json)


if __name__ == "__main__":
    run_command(main)
