"""The study's numbers on the front page match its committed results."""

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


def test_the_front_page_has_the_studys_numbers():
    tables = json.loads((ROOT / "examples/study/results/cpu/scores.json").read_text("utf-8"))
    systems = {table["direction"]: table["systems"] for table in tables}
    rows = ROW.findall((ROOT / "README.md").read_text("utf-8"))
    assert len(rows) >= 5
    for name, cells in rows:
        shown = [each.strip().replace("*", "") for each in cells.split("|")]
        assert shown == [cell(systems[direction][name]) for direction in DIRECTIONS], name
        assert all(len(systems[direction][name]["by_seed"]) == 3 for direction in DIRECTIONS), name
