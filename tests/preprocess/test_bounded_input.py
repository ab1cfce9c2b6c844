"""Compressed files are read to the end, and small files can use neither excessive memory nor time."""

import bz2
import gzip
import json
import lzma
import time
import zipfile

import openpyxl
import pytest
import zstandard

from preprocess import clean, extract, vocab
from preprocess.sentences import SentenceSplitter, pack
from preprocess.text.text_files import open_lines
from swcm_fairseq import packed_files
from swcm_fairseq.errors import InputError
from swcm_fairseq.packed_files import read_unpacked
from tests.preprocess.conftest import sentences, write_lines
from tests.preprocess.test_readers import read

PACKERS = {"gz": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress, "zst": zstandard.compress}


@pytest.mark.parametrize("pack_one", PACKERS.values(), ids=PACKERS)
def test_a_damaged_later_stream(tmp_path, pack_one):
    path = tmp_path / "packed"
    first, second = (pack_one("".join(f"{line}\n" for line in sentences("bo", count)).encode()) for count in (3, 30))
    path.write_bytes(first + second)
    assert len(list(open_lines(path))) == 33 == read_unpacked(path).count(b"\n")
    for place in (0, 3, len(second) // 2, len(second) - 5):
        damaged = bytearray(second)
        damaged[place] ^= 0xFF
        path.write_bytes(first + damaged)
        with pytest.raises(InputError, match=f"{path}: damaged compressed file: "):
            list(open_lines(path))
        with pytest.raises(InputError, match=f"{path}: damaged compressed file: "):
            read_unpacked(path)
    for end in (b"tail", second[:-1], second[:9]):
        path.write_bytes(first + end)
        with pytest.raises(InputError, match="damaged compressed file"):
            list(open_lines(path))


def test_padding_between_streams_is_not_part_of_the_text(tmp_path):
    path = tmp_path / "packed"
    for pack_one in (gzip.compress, lzma.compress):
        path.write_bytes(pack_one(b"a\n") + bytes(8) + pack_one(b"b\n") + bytes(4))
        assert list(open_lines(path)) == ["a", "b"]


def test_two_articles_of_one_name(tmp_path):
    with zipfile.ZipFile(tmp_path / "thucnews.zip", "w") as archive, pytest.warns(UserWarning, match="Duplicate name"):
        for text in ("一", "二"):
            archive.writestr("THUCNews/体育/1.txt", f"标题\n正文{text}。")
    found = read("thucnews", tmp_path / "thucnews.zip", langs=("zh",))
    assert [each.text for each in found] == ["正文一。", "正文二。"]


@pytest.mark.parametrize("pack_one", PACKERS.values(), ids=PACKERS)
def test_decompression_bombs_are_refused(tmp_path, monkeypatch, pack_one):
    monkeypatch.setattr(packed_files, "_UNSUSPECTED_BYTES", 1 << 20)
    path = tmp_path / "bomb"
    path.write_bytes(pack_one(bytes(1 << 23)))
    for read_it in (lambda: list(open_lines(path)), lambda: read_unpacked(path)):
        with pytest.raises(InputError, match="unpacks to more than 400 times its size"):
            read_it()
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.txt", bytes(1 << 23))
    for read_it in (lambda: list(open_lines(path)), lambda: read("thucnews", path, langs=("zh",))):
        with pytest.raises(InputError, match="unpacks to more than 400 times its size"):
            read_it()
    path.rename(tmp_path / "bomb.xlsx")
    with pytest.raises(InputError, match="unpacks to more than 400 times its size"):
        read("tibetanqa", tmp_path / "bomb.xlsx")


def test_an_excel_bomb_is_refused(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["问题", "答案", "文本"])
    book.save(tmp_path / "x.xlsx")
    assert read("tibetanqa", tmp_path / "x.xlsx") == []


def test_sentences_and_parts_take_linear_time():
    """Time is proportional to length (with room for a busy machine); if it were quadratic, it would be 64 times."""
    splitter, seconds = SentenceSplitter("kk"), []
    for times in (1, 8):
        text = "А. б 3.14 " * (10_000 * times) + " " * 1000 * times + "соңы"
        start = time.process_time()
        found = splitter.split(text)
        assert len(list(pack(found, 20))) > 5_000 * times
        seconds.append(time.process_time() - start)
    assert seconds[1] < 32 * seconds[0]


def test_repetitive_lines_are_cut_for_training(tmp_path, capsys):
    text = write_lines(tmp_path / "text", ["བོད་" * 5000, *sentences("bo", 20)])
    vocab.main(["--size", "50", "--output", str(tmp_path / "vocab"), "--input", f"bo={text}"])
    assert "note: 1 lines longer than 4,000 characters were cut into parts" in capsys.readouterr().out


def test_questions_and_answers_are_counted_separately(write, tmp_path, capsys):
    answers = [["a", 1, "a", "b"], [2, 3], ["c"]]
    questions = [{"query_text": f"问{i}", "answers": each} for i, each in enumerate(answers)]
    path = write("cmrc.json", json.dumps([{"context_text": "正文。", "qas": [*questions, {"query_text": 5}]}]))
    for options, table in (
        ([], ["7 2 an answer is not text 3, not the first (--all-answers takes them) 1, repeated 1"]),
        (["--all-answers"], ["7 3 an answer is not text 3, repeated 1"]),
    ):
        extract.main(["cmrc2018", "--input", str(path), "--lang", "zh", "--output", str(tmp_path / "out"), *options])
        rows = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
        assert any(row.endswith("out.target 4 2 no answer 1, question or passage is not text 1") for row in rows)
        assert table[0] in rows


def test_lines_are_counted_after_a_damaged_file(tmp_path):
    """Nothing is kept from a file whose end is lost."""
    path = tmp_path / "text.xz"
    path.write_bytes(lzma.compress("ཀ་ཁ\n".encode()) + lzma.compress("ག་ང\n".encode())[:-3])
    with pytest.raises(InputError, match="damaged compressed file"):
        clean.main(["--lang", "bo", "--input", str(path), "--output", str(tmp_path / "out")])
    assert not (tmp_path / "out").exists()
