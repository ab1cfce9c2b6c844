"""Corpora with invalid records, which are counted or refused in one line."""

import json
import zipfile

import openpyxl
import pytest

from preprocess.readers import source as readers_source
from preprocess.readers.records import Document, Pair
from preprocess.steps.ledger import Reject
from swcm_fairseq.errors import InputError
from tests.preprocess.test_readers import read


@pytest.mark.parametrize(
    ("name", "lines", "langs"),
    [
        ("plain", ["ཀཀཀ"], ("bo",)),
        ("mc2", ['{"text": 1}'], ("bo",)),
        ("lcsts", ["<doc id=0>", "<short_text>", "中", "</short_text>", "</doc>"], ("zh",)),
        ("sft-pairs", ["Source:Target:"], ("bo", "zh")),
        ("tsv-pairs", ["a\tb"], ("bo", "zh")),
    ],
)
def test_lines_that_are_too_long_are_counted(write, monkeypatch, name, lines, langs):
    """A truncated line would lose text or look like an invalid record."""
    monkeypatch.setattr(readers_source, "MAX_RECORD_BYTES", 20)
    path = write("file", "\n".join([*lines[:2], "བ" * 7, *lines[2:]]))
    found = read(name, path, langs=langs)
    assert "too long" in [each.reason for each in found if isinstance(each, Reject)]
    assert "invalid encoding" not in [each.reason for each in found if isinstance(each, Reject)]


def test_pairs_with_a_line_that_is_too_long_are_counted(write, monkeypatch):
    monkeypatch.setattr(readers_source, "MAX_RECORD_BYTES", 5)
    short, long = write("short", "a\nb\n"), write("long", "a\nbbbbbb\n")
    for name, langs in (("plain-pairs", ("bo", "zh")), ("plain-summaries", ("bo",))):
        assert [type(each) for each in read(name, short, long, langs=langs)] == [
            Pair if name == "plain-pairs" else Document,
            Reject,
        ]
        assert read(name, short, long, langs=langs)[1] == Reject(str(short), 2, "too long")


@pytest.mark.parametrize(
    "content",
    [["a"], 3, [{"qas": None}], [{"context_text": "x", "qas": ["a"]}], {"data": None}, {"data": [{"paragraphs": 3}]}],
)
def test_invalid_questions_are_counted(write, content):
    path = write("cmrc.json", json.dumps(content))
    assert read("cmrc2018", path, langs=("zh",)) == [Reject(str(path), 1, "question or passage is not text")]


@pytest.mark.parametrize(
    ("answers", "reason"), [(None, "'answers' is not a list"), ([], "no answer"), (["x"], "no answer")]
)
def test_invalid_answers_in_squads_layout_are_counted(write, answers, reason):
    question = {"question": "问?", "answers": answers}
    content = {"data": [{"paragraphs": [{"context": "正文。", "qas": [question]}]}]}
    found = read("cmrc2018", write("squad.json", json.dumps(content)), langs=("zh",))
    assert found[0].reason == reason


def test_an_excel_file_with_half_a_sheet(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["问题", "答案", "文本"])
    book.save(tmp_path / "whole.xlsx")
    with zipfile.ZipFile(tmp_path / "whole.xlsx") as whole, zipfile.ZipFile(tmp_path / "cut.xlsx", "w") as archive:
        for name in whole.namelist():
            content = whole.read(name)
            archive.writestr(name, content[: len(content) // 2] if "sheet1" in name else content)
    with pytest.raises(InputError, match=r"cut.xlsx: not a readable Excel file"):
        read("tibetanqa", tmp_path / "cut.xlsx")


def test_an_excel_file_with_damaged_bytes(tmp_path):
    book = openpyxl.Workbook()
    for number in range(30):
        book.active.append(["问题", number])
    book.save(tmp_path / "x.xlsx")
    content = bytearray((tmp_path / "x.xlsx").read_bytes())
    name = b"xl/worksheets/sheet1.xml"
    start = content.index(name) + len(name)  # start of its compressed bytes
    content[start : start + 20] = bytes(20)
    (tmp_path / "x.xlsx").write_bytes(content)
    with pytest.raises(InputError, match=r"x.xlsx: not a readable Excel file"):
        read("tibetanqa", tmp_path / "x.xlsx")


def test_articles_that_cannot_be_read(write, tmp_path):
    """A broken link is counted, a folder is not an article; a superscript is a digit, but not a number."""
    write("THUCNews/体育/².txt", "标题\n正文。")
    write("THUCNews/体育/folder.txt/1.txt", "标题\n正文。")
    (tmp_path / "THUCNews/体育/3.txt").symlink_to("nothing")
    found = read("thucnews", tmp_path / "THUCNews", langs=("zh",))
    assert [type(each) for each in found] == [Document, Reject, Document]
    assert found[1] == Reject(str(tmp_path / "THUCNews/体育/3.txt"), 1, "cannot be read")
