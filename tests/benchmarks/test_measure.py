"""The functions that all benchmarks share."""

import json
import sys

import measure
import pytest
import torch


def test_contestants_take_turns_and_each_round_begins_with_another():
    order = []
    contestants = {name: lambda name=name: order.append(name) or len(order) for name in "abc"}
    results = measure.alternate(3, contestants)
    assert "".join(order) == "abcbcacab"
    assert results == {"a": [1, 6, 8], "b": [2, 4, 9], "c": [3, 5, 7]}


def allocate(numbers):
    before = measure.peak_memory("cpu")
    torch.ones(numbers)
    return measure.peak_memory("cpu") - before


def test_memory_is_that_of_one_process_alone():
    large, small = measure.apart(allocate, 2**25), measure.apart(allocate, 2**18)
    assert 100 < large < 200 and small < 30


def fail():
    raise ValueError("broken")


def test_failures_in_a_subprocess_are_raised():
    with pytest.raises(ValueError, match="broken"):
        measure.apart(fail)


@pytest.mark.parametrize(
    "aims, words",
    [({}, ""), ({"at_least": 2.0}, "at least 2: met"), ({"at_most": 1.5}, "at most 1.5: missed")],
)
def test_aims(aims, words):
    ratio = measure.Ratio.of("speed", [4.0, 2.0, 9.0], [2.0, 1.0, 3.0], **aims)
    assert (ratio.values, ratio.median, ratio.aim) == ([2.0, 2.0, 3.0], 2.0, words)


def test_spread():
    assert measure.spread([1.0, 3.0, 2.0]) == "2.00 (1.00-3.00)"
    assert measure.spread([1234.5], 0) == "1,234"


def test_a_report_is_written_twice_with_the_command_that_made_it(tmp_path, monkeypatch):
    arguments = ["benchmarks/a.py", "--rounds", "2", "--output", str(tmp_path), "--contestants", "two words"]
    monkeypatch.setattr(sys, "argv", arguments)
    ratio = measure.Ratio("a / b", [0.5], at_most=0.6)
    measure.Report("A title", "cpu", ["size 1"], ["", "s"], [["x", "1"]], [ratio], ["a note"], raw=[1]).write(tmp_path)
    (markdown,) = tmp_path.glob("a_*.md")
    text = markdown.read_text()
    assert text.startswith("# A title\n\n`python benchmarks/a.py --rounds 2 --contestants 'two words'`\n")
    assert "* size 1\n" in text and "| x | 1 |\n" in text and "| a / b | 0.50 | at most 0.6: met |" in text
    assert text.endswith("\na note\n") and str(tmp_path) not in text
    content = json.loads(markdown.with_suffix(".json").read_text())
    assert content["ratios"][0]["median"] == 0.5 and content["ratios"][0]["aim"] == "at most 0.6: met"
    assert {"question", "command", "date", "machine", "versions", "rows", "raw"} <= content.keys()


def test_a_report_with_a_missed_aim_links_its_explanation():
    met, missed = (measure.Ratio("a / b", [value], at_most=0.6) for value in (0.5, 0.7))
    texts = [
        measure.Report("A title", "cpu", [], ["x"], [["1"]], [ratio], ["a note"]).markdown() for ratio in (met, missed)
    ]
    assert measure.MISSED not in texts[0]
    assert texts[1].endswith(f"missed |\n\n{measure.MISSED}\n\na note\n")
