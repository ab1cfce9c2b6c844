"""Tables, figures and the list of unfinished runs, from artificial runs."""

import csv
import json
from pathlib import Path

import pytest

from swcm_fairseq.errors import InputError
from swcm_fairseq.reporting import best_setting
from swcm_fairseq.reporting.paper_report import main

SUM = "finetuning/summarization"
MRC = "finetuning/reading_comprehension"


def cells(markdown: str, system: str) -> list[str]:
    """The row of a system in a Markdown table."""
    split = [[cell.strip() for cell in line.strip("|").split("|")] for line in markdown.splitlines()]
    (row,) = [row for row in split if row[0] == system]
    return row[1:]


def table(runs, name: str) -> str:
    return (runs / "report" / f"{name}.md").read_text("utf-8")


def rows(runs, name: str) -> list[dict[str, str]]:
    with (runs / "report" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_cells_are_beside_the_papers(runs, scored, report):
    scored(f"{SUM}/xlm-swcm", "bo", 25.34)
    scored(f"{SUM}/no-mt", "bo", 21.0, interval=None)
    scored(f"{MRC}/no-mt", "bo", 9.96)
    status, out, _ = report()
    assert status == 0
    assert cells(table(runs, "table3"), "nothing removed") == ["25.3 ± 1.2 [1]", "25.7", "", "16.4", "", "24.5"]
    assert cells(table(runs, "table3"), "MT") == ["21.0 [1]", "25.6", "10.0 ± 1.2 [1]", "15.1", "", "20.3"]
    assert cells(table(runs, "table3"), "DAE") == ["", "22.4", "", "12.2", "", "18.7"]
    assert cells(table(runs, "table4"), "XLM-SWCM") == ["25.3 ± 1.2 [1]", "25.7", "", "16.4", "", "24.5"]
    first = cells(table(runs, "table1"), "XLM-SWCM (492M; here 397.5M)")
    assert first[:6] == ["25.3 ± 1.2 [1]", "25.7", "26.3 ± 1.2 [1]", "29.1", "24.3 ± 1.2 [1]", "24.2"]
    assert "- [1] `rougeL|lang:bo|tok:bo-syllable|v:1, 50 lines`" in table(runs, "table3")
    assert all(table(runs, f"table{number}") in out for number in range(1, 6))


def test_empty_directory_has_the_papers_numbers_only(runs, report):
    status, out, err = report()
    assert (status, err) == (0, "")
    assert cells(table(runs, "table5"), "BASE-B") == ["", "16.3", "", "14.1", "", "21.1"]
    assert len(rows(runs, "table1")) == 4 and len(rows(runs, "table2")) == 5
    assert not list((runs / "report").glob("*.png"))
    assert "[1]" not in out


def test_csv_is_unrounded(runs, scored, report):
    scored(f"{SUM}/base-a", "bo", 13.123456)
    report()
    base_a, base_b, _, ours = rows(runs, "table5")
    assert base_a["System"] == "BASE-A"
    assert (base_a["Sum"], base_a["Sum ±"], base_a["Sum paper"]) == ("13.123456", "1.25", "13.7")
    assert base_a["Sum signature"] == "rougeL|lang:bo|tok:bo-syllable|v:1, 50 lines"
    assert (base_b["Sum"], base_b["Sum paper"], ours["MT"], ours["MT paper"]) == ("", "16.3", "", "24.5")


def test_latex(runs, scored, report):
    scored(f"{SUM}/cino-transformer", "bo", 18.0)
    report()
    text = (runs / "report" / "table4.tex").read_text("utf-8")
    row = next(line for line in text.splitlines() if "Cino-Transformer" in line)
    assert [cell.strip() for cell in row.removesuffix(r"\\").split("&")] == [
        *("Cino-Transformer", "18.0 ± 1.2 [1]", "18.9", "", "13.5", "", "18.7")
    ]
    assert r"[1] \texttt{\detokenize{rougeL|lang:bo|tok:bo-syllable|v:1, 50 lines}}" in text
    assert r"95\% interval" in text and text.count("{") == text.count("}")
    assert text.index(r"\begin{table*}") < text.index(r"\begin{tabular}") < text.index(r"\end{table*}")


def test_different_signatures_are_named(runs, scored, report):
    scored(f"{SUM}/base-a", "bo", 10.0)
    scored(f"{SUM}/base-b", "bo", 20.0, tok="bo-botok")
    scored(f"{MRC}/base-a", "bo", 30.0, segments=60)
    report()
    text = table(runs, "table5")
    assert cells(text, "BASE-A")[0::2] == ["10.0 ± 1.2 [1]", "30.0 ± 1.2 [2]", ""]
    assert cells(text, "BASE-B")[0] == "20.0 ± 1.2 [3]"
    assert "The numbers of this table have 3 signatures or test sets" in text
    assert "- Sum: systems were scored in different ways ([1], [3]); score them in the same way." in text
    assert "MRC: systems" not in text
    assert "signatures" not in table(runs, "table4")


def test_languages_of_table_2(runs, scored, report):
    for number, lang in enumerate(("zh", "bo", "ug", "mn", "kk")):
        scored("crosslingual/summarization/mbart-cm", lang, 10.0 * number, lang=lang, tok="word")
    status, out, _ = report()
    found = cells(table(runs, "table2"), "mBART-CM, CINO's vocabulary")[0::4]
    assert found == [f"{10.0 * number} ± 1.2 [{number + 1}]" for number in range(5)]
    assert "not finished" not in out and status == 0


def test_outputs_of_a_language_model_are_rows_by_their_files(runs, scored, report):
    scored("crosslingual/summarization/llm-qwen", "bo", 9.5)
    scored("crosslingual/summarization/llm-qwen-told", "bo", 11.5)
    scored(f"{SUM}/llm-qwen", "bo", 12.0)
    status, out, _ = report()
    assert cells(table(runs, "table2"), "qwen-told")[4] == "11.5 ± 1.2 [1]"
    assert cells(table(runs, "table1"), "qwen")[0] == "12.0 ± 1.2 [1]"
    assert len(rows(runs, "table1")) == 5 and len(rows(runs, "table2")) == 7
    assert "not finished" not in out and "not in any table" not in out and status == 0


def test_half_finished_runs_are_one_line_each(runs, scored, trained, report):
    trained(f"{SUM}/no-mt", 120, max_update=500)
    trained(f"{SUM}/base-a", 500, max_update=500)
    trained(f"{MRC}/mine", 1234, epoch=3, max_epoch=50)
    trained("pretraining/xlm-swcm", 40, epoch=9, max_epoch=8)
    trained("pretraining/x2", 7, epoch=1, max_epoch=8)
    (runs / "crosslingual/summarization/x").mkdir(parents=True)
    scored("crosslingual/summarization/mbart-cm", "zh", 30.0)
    status, out, err = report()
    lines = {line.split(":")[0]: line for line in out.splitlines() if ": not finished, " in line}
    told = {run.removeprefix(f"{runs}/"): line.split("not finished, ")[1] for run, line in lines.items()}
    go_on = f"; continue with: RUNS='{runs}' examples/"
    assert told == {
        f"{SUM}/no-mt": f"update 120 of 500{go_on}ablations/run.sh no-mt",
        f"{SUM}/base-a": f"update 500 of 500, no scores of bo{go_on}ablations/run.sh base-a",
        f"{MRC}/mine": f"epoch 3 of 50, update 1,234{go_on}finetuning/reading_comprehension.sh --name mine",
        "pretraining/x2": f"epoch 1 of 8, update 7{go_on}ablations/run.sh x2-10k",
        "crosslingual/summarization/x": f"no checkpoint yet{go_on}crosslingual/summarization.sh --name x",
        "crosslingual/summarization/mbart-cm": f"no checkpoint yet{go_on}baselines/mbart_cm.sh",
    }
    assert cells(table(runs, "table3"), "MT")[0] == ""
    assert (status, err) == (0, "")


@pytest.mark.parametrize(
    ("root", "run", "expected"),
    [
        ("runs", "pretraining/xlm-swcm", "examples/pretraining/single_gpu.sh --name xlm-swcm"),
        ("runs", f"{SUM}/xlm-swcm", "examples/finetuning/summarization.sh --name xlm-swcm"),
        ("runs", f"{SUM}/cino-transformer", "examples/ablations/run.sh cino-transformer"),
        ("runs/smoke", "pretraining/x5", "SCALE=smoke examples/ablations/run.sh x5-10k"),
        ("a b", "pretraining/mbart-cm", "RUNS='a b' examples/baselines/mbart_cm.sh"),
        ("runs", "pretraining/mbart-cm-expanded", "EXPAND=1 examples/baselines/mbart_cm.sh"),
    ],
)
def test_command_that_continues_a_run(root, run, expected):
    from swcm_fairseq.reporting.resume_commands import command

    assert command(Path(root), Path(root, run)) == expected


def test_damaged_files_are_one_line_each_and_the_rest_is_reported(runs, scored, trained, report):
    cut = scored(f"{SUM}/base-a", "bo", 10.0)
    cut.write_text(cut.read_text()[:100])
    other = scored(f"{SUM}/base-b", "bo", 10.0)
    other.write_text(json.dumps({"systems": "none"}))
    two = scored(f"{MRC}/base-a", "bo", 10.0)
    content = json.loads(two.read_text())
    two.write_text(json.dumps({**content, "systems": content["systems"] * 2}))
    unsigned = scored(f"{MRC}/base-b", "bo", 10.0)
    unsigned.write_text(json.dumps({**content, "signatures": {}}))
    checkpoint = trained(f"{SUM}/no-mt", 10, max_update=20) / "checkpoint_last.pt"
    checkpoint.write_bytes(checkpoint.read_bytes()[:50])
    scored(f"{SUM}/xlm-swcm", "bo", 25.0)
    status, out, err = report()
    assert status == 1
    assert cells(table(runs, "table5"), "XLM-SWCM")[0] == "25.0 ± 1.2 [1]"
    lines = err.splitlines()
    assert len(lines) == 5 and all(line.startswith(f"error: {runs}") for line in lines)
    told = {path: line for path in (cut, other, two, unsigned, checkpoint) for line in lines if str(path) in line}
    assert "damaged, or not a scores file" in told[cut] and "damaged, or not a scores file" in told[other]
    assert "scores of 2 systems" in told[two]
    assert "has no rougeL F1 or no signature" in told[unsigned]
    assert "not a checkpoint, or a damaged one" in told[checkpoint]
    assert "Traceback" not in out + err


def test_your_own_runs_are_listed(runs, scored, report):
    scored(f"{SUM}/mine", "bo", 33.0)
    _, out, _ = report()
    assert f"{runs}/{SUM}/mine: not in any table: ROUGE-L F1 bo 33.0 ± 1.2 (rougeL|" in out


def test_figure_4_and_curves(runs, scored, trained, report):
    for x, f1 in ((1, 10.0), (3, 14.0)):
        scored(f"{SUM}/x{x}-10k", "bo", f1)
    scored(f"{SUM}/x2-50k", "bo", 20.0, interval=None)
    trained("pretraining/x2", 30, max_update=30)
    trained(f"{SUM}/x2-50k", 30, max_update=30)
    report("--output", str(runs / "elsewhere"))
    assert {path.name for path in (runs / "elsewhere").glob("*.png")} == {
        *("figure4.png", "curves-pretraining.png", "curves-finetuning-summarization.png")
    }
    assert (runs / "elsewhere/figure4.png").read_bytes().startswith(b"\x89PNG")
    text = (runs / "elsewhere/figure4.md").read_text("utf-8")
    assert cells(text, "1") == ["10.0 ± 1.2 [1]", "", ""]
    assert cells(text, "2") == ["", "", "20.0 [1]"]
    assert "paper" not in text


def test_no_directory(tmp_path):
    with pytest.raises(InputError, match="nowhere: no such directory"):
        main(["--runs", str(tmp_path / "nowhere")])


def test_output_that_cannot_be_written(runs, report):
    (runs / "file").write_text("")
    with pytest.raises(InputError, match="Not a directory; make room or give another place"):
        report("--output", str(runs / "file"))


def test_merging_has_a_run_for_each_system_and_language(runs, scored, report):
    for number, system in enumerate(("base", "ct", "task", "ctsft", "average", "ties", "ties-all")):
        scored(f"merging/summarization/{system}-bo", "bo", 10.0 + number)
    for name in ("task", "grid", "ties-all"):
        (runs / "merging/summarization" / name).mkdir()
    status, out, _ = report()
    assert cells(table(runs, "merging"), "TIES-X, TASK and CT-X") == ["15.0 ± 1.2 [1]", "", "", ""]
    assert "not finished" not in out and "not in any table" not in out and status == 0


def test_the_best_setting_of_a_grid(runs, scored, capsys):
    for name, number in (("0.2,1.0", 12.0), ("1.0,0.2", 14.0), ("1.0,1.0", 14.0)):
        scored(f"grid/{name}", "bo", number)
    best_setting.main([str(runs / "grid"), "--scores", "bo"])
    assert capsys.readouterr().out == "1.0,0.2\n"
    for grid, message in ((runs / "none", "contains no settings"), (runs / "grid", "No such file")):
        with pytest.raises(InputError, match=message):
            best_setting.main([str(grid), "--scores", "kk"])
