"""Write the tables of results in benchmarks/README.md from benchmarks/results/*.json.

    python benchmarks/summary.py            # after a benchmark
    python benchmarks/summary.py --check    # exit status 1 if the tables differ from the files

There is one row for every claim with an aim; if a report has no aims, there is one for its first claim. Of several
reports on the same question and machine, only the latest is used. A second table shows how much speed each precision
gains on a CPU (decoding.py) and what it changes in a trained model (precision_agreement.py).
"""

import argparse
import json
import statistics
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import measure

from swcm_fairseq.errors import InputError, run_command

README = Path(__file__).resolve().with_name("README.md")
BEGIN, END = "<!-- begin: python benchmarks/summary.py -->", "<!-- end -->"
HEADERS = ["question", "compared", "medians", "ratio", "aim", "machine", "command"]
PRECISIONS = {"bf16": "bfloat16", "int8": "int8"}  # decoding.py's name -> the model's name
FASTER = ": ours / ours in float32"  # how the name of decoding.py's claim ends


def latest(directory: Path) -> dict[Path, dict[str, Any]]:
    """The newest report on each question and machine, by the sorted paths of the JSON files.

    Raises:
        InputError: a file was not written by these benchmarks.
    """
    newest: dict[str, Path] = {}
    for path in sorted(directory.glob("*.json")):
        newest[path.stem.rpartition("_")[0]] = path  # question_hardware_date: the last in sorted order is the newest
    reports = {}
    for path in newest.values():
        report = json.loads(path.read_text(encoding="utf-8"))
        missing = [key for key in ("title", "machine", "command", "ratios") if key not in report]
        if missing:
            raise InputError(
                f"{path}: has no {', '.join(missing)}; write it with a program in benchmarks/, or delete it"
            )
        reports[path] = report
    return reports


def number(value: float) -> str:
    """A number with three significant digits: ``0.0123``, ``4.56``, ``12,300``."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:#.3g}"


def rows_of(path: Path, report: dict[str, Any], root: Path) -> list[list[str]]:
    """The rows for one report; links are relative to ``root``."""
    claims = [ratio for ratio in report["ratios"] if ratio["aim"]] or report["ratios"][:1]
    link = f"[{report['title']}]({path.with_suffix('.md').relative_to(root).as_posix()})"
    facts = [report["machine"], f"`{report['command']}`"]
    rows = []
    for claim in claims:
        both = [claim["above"], claim["below"]]
        values = " / ".join(number(statistics.median(side)) for side in both) if all(both) else ""
        rows.append([link, claim["name"], values, measure.spread(claim["values"]), claim["aim"], *facts])
    return rows or [[link, "", "", "", "", *facts]]


def precision_table(reports: Iterable[dict[str, Any]]) -> list[str]:
    """Speed and agreement of each precision, side by side; [] without a report on agreement."""
    claims: dict[str, list[dict[str, Any]]] = {}
    for report in reports:
        claims.setdefault(report.get("question", ""), []).extend(report["ratios"])
    found: dict[str, dict[str, list[str]]] = {}
    for claim in claims.get("precision_agreement", []):
        what, _, of = claim["name"].partition(": ")
        precision, _, pair = of.partition(", ")
        value = f"{claim['values'][0]:.1%}" if "as in" in what else f"{claim['values'][0]:+.2f}"
        found.setdefault(precision, {}).setdefault(what, []).append(f"{value} ({pair})")
    rows = []
    for short, name in PRECISIONS.items():
        speeds = [
            f"{measure.spread(claim['values'])} ({claim['name'].removesuffix(FASTER).removeprefix('sentences/s, ')})"
            for claim in claims.get(f"decoding_{short}", [])
            if claim["name"].endswith(FASTER)
        ]
        rows.append([name, ", ".join(speeds), *(", ".join(values) for values in found.get(name, {}).values())])
    headers = ["precision on a CPU", "speed-up over our float32", *next(iter(found.values()), {})]
    return ["", *measure.table(headers, rows)] if found else []


def with_table(text: str, table: list[str], path: Path) -> str:
    """``text`` with ``table`` between the marks.

    Raises:
        InputError: a mark is missing, or they are in the wrong order.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise InputError(f"{path}: has no lines {BEGIN} and {END}; add them where the tables belong")
    return "\n".join([before + begin, "", *table, "", end + after])


def main() -> None:
    """Write the tables, or check them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the tables are out of date")
    parser.add_argument(
        "--results", type=Path, default=measure.RESULTS, metavar="DIR", help="directory of the reports (%(default)s)"
    )
    parser.add_argument(
        "--readme", type=Path, default=README, metavar="FILE", help="file with the tables (%(default)s)"
    )
    args = parser.parse_args()
    root = args.readme.resolve().parent
    reports = latest(args.results.resolve())
    rows = [row for path, report in reports.items() for row in rows_of(path, report, root)]
    text = args.readme.read_text(encoding="utf-8")
    wanted = with_table(text, measure.table(HEADERS, rows) + precision_table(reports.values()), args.readme)
    if args.check and text != wanted:
        sys.exit(f"error: {args.readme}: its tables do not match {args.results}; run python benchmarks/summary.py")
    if not args.check:
        args.readme.write_text(wanted, encoding="utf-8")
        print(f"{args.readme}: {len(rows)} rows")


if __name__ == "__main__":
    run_command(main)
