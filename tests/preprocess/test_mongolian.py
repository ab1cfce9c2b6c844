"""Traditional Mongolian: all encodings of a visible word become the most frequent one."""

import re
import sys
from collections import Counter

import pytest

from preprocess import clean
from preprocess.steps.ledger import WORDS
from preprocess.text import mongolian
from preprocess.text.mongolian import RESPELLED, UNKNOWN, learn_spellings
from swcm_fairseq.errors import InputError
from tests.preprocess.conftest import write_lines

# "Good" and "Mongolian", each typed in three ways.
SAIN = ["ᠰᠠᠢᠨ", "ᠰᠡᠢᠨ", "ᠰᠠᠶ\u180bᠢᠨ"]
MONGGOL = ["ᠮᠣᠩᠭᠣᠯ", "ᠮᠣᠩᠭᠤᠯ", "ᠮᠤᠩᠭᠤᠯ"]


@pytest.fixture
def spellings(tmp_path):
    text = write_lines(
        tmp_path / "spellings", [f"{SAIN[0]} {MONGGOL[1]}", f"{SAIN[0]} {SAIN[1]}᠃", MONGGOL[0], MONGGOL[1]]
    )
    return text, learn_spellings([text], "utf-8")


def test_the_most_frequent_spelling_is_written(spellings):
    words = Counter()
    text = f"{SAIN[1]} {SAIN[2]}, {MONGGOL[2]}\u202fᠤᠨ {MONGGOL[2]}᠃ ᠬᠡᠯᠡ abc 12 ᡐᡆ"
    expected = f"{SAIN[0]} {SAIN[0]}, {MONGGOL[2]}\u202fᠤᠨ {MONGGOL[1]}᠃ ᠬᠡᠯᠡ abc 12 ᡐᡆ"
    assert spellings[1](text, words) == expected
    assert words == {WORDS: 6, RESPELLED: 3, UNKNOWN: 1}
    assert spellings[1](expected, Counter()) == expected


def test_of_two_equally_frequent_spellings_the_order_of_the_text_does_not_matter(tmp_path):
    for lines in (SAIN, SAIN[::-1]):
        learned = learn_spellings([write_lines(tmp_path / "text", lines)], "utf-8")
        assert [learned(word, Counter()) for word in SAIN] == [SAIN[0]] * 3


def test_the_step(spellings, tmp_path, capsys):
    text = write_lines(tmp_path / "in", [f"{word} ᠪᠢᠴᠢᠭ" for word in SAIN])
    command = ["--lang", "mn", "--input", str(text), "--output", str(tmp_path / "out")]
    clean.main([*command, "--mongolian-spellings", str(spellings[0])])
    assert (tmp_path / "out").read_text("utf-8") == f"{SAIN[0]} ᠪᠢᠴᠢᠭ\n"
    out = capsys.readouterr().out
    assert re.search(r"changed by mongolian +2 ", out) and re.search(r"left out: duplicate +2 ", out)
    assert re.search(r"\nmongolian +words\n-.*\nwords +6 +100.00%\nchanged to the most frequent spelling +2 ", out)
    clean.main([*command, "--mongolian-spellings", str(spellings[0]), "--without", "duplicates", "--workers", "2"])
    assert (tmp_path / "out").read_text("utf-8") == f"{SAIN[0]} ᠪᠢᠴᠢᠭ\n" * 3


def test_bad_input_is_refused(spellings, tmp_path, monkeypatch):
    command = ["--lang", "mn", "--input", str(spellings[0]), "--output", str(tmp_path / "out"), "--mongolian-spellings"]
    with pytest.raises(InputError, match=r"^/no/such: no such file"):
        clean.main([*command, "/no/such"])
    with pytest.raises(InputError, match=r"^--mongolian-spellings: --lang kk has no Mongolian \(mn\)"):
        clean.main([*command, str(spellings[0]), "--lang", "kk"])
    monkeypatch.setitem(sys.modules, "mongol_norm", None)
    mongolian._shaper.cache_clear()
    with pytest.raises(InputError, match=r"^--mongolian-spellings needs mongol-norm: pip install mongol-norm"):
        clean.main([*command, str(spellings[0])])
    assert not (tmp_path / "out").exists()
