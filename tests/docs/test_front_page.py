"""The study's numbers on the front page and in the documentation match its committed results."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\|.*\(`([a-z0-9-]+)`\) \|(.*)\|$", re.MULTILINE)
DIRECTIONS = ["title_bo:bo-bo", "title_zh:zh-zh", "zh-bo:zh-bo"]


def cell(numbers: dict) -> str:
    """A score with its 95% interval."""
    low, high = numbers["interval"]
    return f"{numbers['score']:.1f} ({low:.1f} to {high:.1f})"


def scores() -> dict[str, dict[str, dict]]:
    """The study's scores by direction and system."""
    tables = json.loads((ROOT / "examples/study/results/cpu/scores.json").read_text("utf-8"))
    return {table["direction"]: table["systems"] for table in tables}


def rows(page: str) -> list[tuple[str, list[str]]]:
    """The systems in the tables of a page, and their cells."""
    found = ROW.findall((ROOT / page).read_text("utf-8"))
    return [(name, [each.strip().replace("*", "") for each in cells.split("|")]) for name, cells in found]


def test_the_front_page_has_the_studys_numbers():
    systems = scores()
    assert len(rows("README.md")) >= 5
    for name, shown in rows("README.md"):
        assert shown == [cell(systems[direction][name]) for direction in DIRECTIONS], name
        assert all(len(systems[direction][name]["by_seed"]) == 3 for direction in DIRECTIONS), name


def test_the_comparison_of_new_rows_has_the_studys_numbers():
    titles = [scores()[direction] for direction in DIRECTIONS[:2]]
    compared = rows("docs/data.md")
    assert {name for name, _ in compared} == {"xlm-swcm", *(name for name in titles[0] if name.startswith("rows-"))}
    for name, shown in compared:
        seeds = str(len(titles[0][name]["by_seed"]))
        assert shown == [*(cell(each[name]) for each in titles), seeds], name
