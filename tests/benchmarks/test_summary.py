"""The table in benchmarks/README.md matches the committed results."""

import json
import sys

import measure
import pytest
import summary

from swcm_fairseq.errors import InputError

REPORT = {
    "title": "Decoding",
    "machine": "a machine",
    "command": "python benchmarks/decoding.py",
    "ratios": [
        {"name": "a / b", "values": [2.0, 4.0], "aim": "at least 3: met", "above": [2.0, 4.0], "below": [1.0, 1.0]},
        {"name": "a / c", "values": [1.0], "aim": "", "above": [], "below": []},
    ],
}


@pytest.fixture()
def files(tmp_path, monkeypatch):
    """A README with marks, a directory of results, and a function that runs the script on them."""
    readme, results = tmp_path / "README.md", tmp_path / "results"
    readme.write_text(f"before\n{summary.BEGIN}\nold\n{summary.END}\nafter\n")
    results.mkdir()

    def run(*more: str) -> str:
        argv = ["summary.py", "--readme", str(readme), "--results", str(results), *more]
        monkeypatch.setattr(sys, "argv", argv)
        summary.main()
        return readme.read_text()

    return results, run


def test_the_table_is_up_to_date(monkeypatch):
    monkeypatch.setattr(sys, "argv", ["summary.py", "--check"])
    summary.main()


def test_one_row_for_each_aim_of_the_latest_report(files):
    results, run = files
    for date, title in (("2026-01-02", "New"), ("2026-01-01", "Old")):
        (results / f"decoding_cpu_{date}.json").write_text(json.dumps({**REPORT, "title": title}))
    text = run()
    row = "| [New](results/decoding_cpu_2026-01-02.md) | a / b | 3.00 / 1.00 | 3.00 (2.00-4.00) | at least 3: met |"
    assert f"\n{row} a machine | `python benchmarks/decoding.py` |\n" in text
    assert "Old" not in text and "a / c" not in text and "old" not in text
    assert text.startswith("before\n") and text.endswith("\nafter\n")
    assert run("--check") == run() == text


def test_reports_without_aims_or_claims(files):
    results, run = files
    (results / "one_cpu_2026-01-01.json").write_text(json.dumps({**REPORT, "ratios": REPORT["ratios"][1:]}))
    (results / "two_cpu_2026-01-01.json").write_text(json.dumps({**REPORT, "ratios": []}))
    text = run()
    assert "one_cpu_2026-01-01.md) | a / c |  | 1.00 |  | a machine" in text
    assert "two_cpu_2026-01-01.md) |  |  |  |  | a machine" in text


def test_precisions_have_their_speed_and_their_agreement_in_one_row(files):
    results, run = files
    agreement = {"at_least": None, "aim": "", "above": [], "below": []}
    ratios = [
        {**agreement, "name": "texts as in float32: int8, bo-bo", "values": [0.81]},
        {**agreement, "name": "texts as in float32: int8, zh-zh", "values": [0.77]},
        {**agreement, "name": "change in chrF: int8, bo-bo", "values": [0.4]},
    ]
    report = {**REPORT, "question": "precision_agreement", "ratios": ratios}
    (results / "precision_agreement_cpu_2026-01-01.json").write_text(json.dumps(report))
    speed = {**REPORT["ratios"][1], "name": "sentences/s, beam 5, batch 4: ours / ours in float32", "values": [2.5]}
    report = {**REPORT, "question": "decoding_int8", "ratios": [speed]}
    assert "| int8 |  | 81.0% (bo-bo), 77.0% (zh-zh) | +0.40 (bo-bo) |\n" in run()
    (results / "decoding_int8_cpu_2026-01-01.json").write_text(json.dumps(report))
    assert "| int8 | 2.50 (beam 5, batch 4) | 81.0% (bo-bo), 77.0% (zh-zh) | +0.40 (bo-bo) |\n" in run()
    assert run("--check") == run()


def test_check_fails_when_results_are_newer(files):
    results, run = files
    run()
    (results / "decoding_cpu_2026-01-01.json").write_text(json.dumps(REPORT))
    with pytest.raises(SystemExit, match=r"run python benchmarks/summary\.py"):
        run("--check")


def test_bad_input(files):
    results, run = files
    (results / "decoding_cpu_2026-01-01.json").write_text(json.dumps({"title": "x"}))
    with pytest.raises(InputError, match="has no machine, command, ratios"):
        run()
    with pytest.raises(InputError, match="has no lines"):
        summary.with_table("no marks", [], summary.README)


def test_ratios_keep_their_operands():
    ratio = measure.Ratio.of("a / b", [4.0, 9.0], [2.0, 3.0], at_least=3)
    assert (ratio.values, ratio.above, ratio.below) == ([2.0, 3.0], [4.0, 9.0], [2.0, 3.0])
    assert [summary.number(value) for value in (0.01234, 4.561, 123.4, 12345.6)] == ["0.0123", "4.56", "123", "12,346"]
