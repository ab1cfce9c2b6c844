"""Paragraphs that occur in many documents of a corpus are found, counted, listed, and kept once."""

import json

import numpy as np
import pytest

from preprocess import extract
from preprocess.text.paragraphs import ParagraphCounts, keys_of
from swcm_fairseq.errors import InputError
from tests.preprocess.conftest import write_lines

MENU, NOTICE = "首页 | 新闻 | 视频", "版权所有,未经许可不得转载。"


@pytest.fixture
def corpus(tmp_path):
    """12 documents with a menu, 4 of them also with a notice twice; and one document with only the menu."""
    texts = [f"{MENU}\n\n正文第{i}段。\n " + f"{NOTICE}\n{NOTICE}" * (i % 3 == 0) for i in range(12)]
    rows = [json.dumps({"title": "", "text": text, "url": ""}) for text in [*texts, MENU]]
    return write_lines(tmp_path / "corpus.jsonl", rows)


def run(corpus, *args):
    extract.main(["mc2", "--input", str(corpus), "--lang", "zh", "--output", str(corpus.parent / "t"), *args])
    return (corpus.parent / "t.zh").read_text(encoding="utf-8").split("\n")[:-1]


def test_repeated_paragraphs_are_kept_in_the_first_document(corpus, capsys):
    rejects = corpus.parent / "rejects"
    lines = run(corpus, "--repeated-paragraphs", "10", "--rejects", str(rejects))
    assert lines == [f"{MENU} 正文第0段。 {NOTICE} {NOTICE}"] + [
        f"正文第{i}段。" + f" {NOTICE} {NOTICE}" * (i % 3 == 0) for i in range(1, 12)
    ]
    left_out = rejects.read_text(encoding="utf-8").split("\n")[:-1]
    assert left_out == [
        *(f"{corpus}:{i}:paragraph 1 occurs in at least 10 documents" for i in range(2, 14)),
        f"{corpus}:13:only repeated paragraphs",
    ]
    output = capsys.readouterr().out
    assert "left out of 12 documents: 12 repeated paragraphs" in output
    assert "only repeated paragraphs 1" in output


def test_a_paragraph_counts_once_a_document(corpus):
    """The notice occurs eight times, but in four documents."""
    assert sum(line.count(NOTICE) for line in run(corpus, "--repeated-paragraphs", "5")) == 8
    assert sum(line.count(NOTICE) for line in run(corpus, "--repeated-paragraphs", "4")) == 1


def test_without_the_option_everything_is_kept(corpus):
    assert sum(line.count(MENU) for line in run(corpus)) == 13


def test_counts_are_exact_for_few_and_stop_at_the_most():
    counts = ParagraphCounts()
    keys = keys_of(str(i) for i in range(5000))
    for times in range(1, 4):
        counts.add(keys[:: 2 * times])
    expected = sum((np.arange(5000) % (2 * times) == 0).astype(int) for times in range(1, 4))
    assert np.array_equal(counts.count(keys), expected)
    assert keys_of(["a  b "]) == keys_of([" a b"])
    for _ in range(300):
        counts.add(keys[:1])
    assert counts.count(keys[:1]) == 255


MISTAKES = {
    "mc2 --lang zh --repeated-paragraphs 1": "give a number of documents from 2 to 255",
    "mc2 --lang zh --repeated-paragraphs 256": "give a number of documents from 2 to 255",
    "tmx --lang zh-bo --repeated-paragraphs 5": "tmx has no documents",
}


@pytest.mark.parametrize(("args", "message"), MISTAKES.items())
def test_bad_input_is_refused(corpus, args, message):
    with pytest.raises(InputError, match=message):
        extract.main([*args.split(), "--input", str(corpus), "--output", str(corpus.parent / "t")])
