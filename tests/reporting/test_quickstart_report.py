"""The report of the demonstration: its conclusion follows from the numbers."""

import json
import sys
from pathlib import Path

import pytest

from swcm_fairseq.errors import InputError
from swcm_fairseq.reporting import quickstart_report
from swcm_fairseq.reporting.quickstart_report import TestSet, first_words, listed, outcome, verdict
from swcm_fairseq.scoring.evaluation import Evaluation, System, SystemScores, Value
from swcm_fairseq.scoring.tokenizers import build_tokenizer


def test_set(lang: str, *scores: tuple[float, float]) -> TestSet:
    names = ["XLM-SWCM", "random decoder", "first words of the section"]
    systems = [SystemScores(name, {"rougeL F1": Value(*score)}) for name, score in zip(names, scores, strict=True)]
    return TestSet(lang, [], [], [System(name, []) for name in names], Evaluation(lang, 0, systems))


test_set.__test__ = False  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("ours", "theirs", "words"),
    [
        ((30.0, 3.0), (20.0, 3.0), "better titles than"),
        ((20.0, 3.0), (30.0, 3.0), "worse titles than"),
        ((30.0, 3.0), (25.0, 3.0), "titles that do not differ clearly from"),
    ],
)
def test_scores_differ_if_their_intervals_do_not_overlap(ours, theirs, words):
    assert outcome(Value(*ours), Value(*theirs)) == words


def test_the_conclusion_follows_from_the_numbers():
    tests = [test_set("bo", (22, 3), (9, 2), (18, 3)), test_set("zh", (31, 3), (12, 2), (16, 2))]
    assert verdict(tests) == (
        "Started from the encoder's own layers, the model writes better titles than the random decoder in Tibetan and "
        "Chinese, titles that do not differ clearly from the first words of the section in Tibetan and better titles "
        "than the first words of the section in Chinese."
    )


def test_listed():
    assert [listed("a"), listed("ab"), listed("abc")] == ["a", "a and b", "a, b and c"]


def test_first_words():
    assert first_words("一二三四五", build_tokenizer("zh"), 2) == "一二"
    assert first_words("一", build_tokenizer("zh"), 2) == "一"


@pytest.fixture
def run(tmp_path, monkeypatch):
    """A finished demonstration with two titles in each language."""
    text, out = tmp_path / "text", tmp_path / "out"
    text.mkdir()
    titles = {"bo": ["བོད་ཡིག", "དཔེ་ཆ་"], "zh": ["标题", "段落"]}
    for lang, lines in titles.items():
        for split in ("train", "test"):
            for side in ("article", "title"):
                (text / f"title.{lang}.{split}.{side}").write_text("".join(f"{line}\n" for line in lines))
        for system in ("xlm-swcm", "random-decoder"):
            place = out / f"{system}-titles" / lang
            place.mkdir(parents=True)
            rows = [f"H-{i}\t-1\t{line}\nD-{i}\t-1\t{line}\n" for i, line in enumerate(lines)]
            (place / "generate-test.txt").write_text("".join(rows))

    def run(*options: str) -> Path:
        arguments = ["--out", str(out), "--text", str(text), "--systems", "xlm-swcm", "random-decoder", *options]
        monkeypatch.setattr(sys, "argv", ["quickstart_report", *arguments])
        quickstart_report.main()
        return out

    return run


def test_table_page_and_numbers(run, capsys):
    out = run()
    shown = capsys.readouterr().out
    assert "100.0 ± 0.0" in shown and "2 of 2" in shown and "100%" in shown
    page = (out / "report.html").read_text()
    assert "བོད་ཡིག" in page and "Started from the encoder" in page
    assert json.loads((out / "scores.json").read_text())["zh"]["systems"][0]["values"]["rougeL F1"]["score"] == 100


def test_a_missing_output_is_one_line(run, tmp_path):
    path = tmp_path / "out/xlm-swcm-titles/zh/generate-test.txt"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:2]))
    with pytest.raises(InputError, match=r"generate-test.txt: outputs are missing"):
        run()
