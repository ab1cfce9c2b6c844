"""A new language needs only one row in the language table, from its text to its scores."""

import pytest

from preprocess import binarize, clean, sentences, vocab
from preprocess.text.units import unit_name
from swcm_fairseq.data.identification import identify
from swcm_fairseq.data.languages import LANGUAGES, Language, WordUnit
from swcm_fairseq.scoring.evaluation import System, evaluate
from swcm_fairseq.scoring.tokenizers import build_tokenizer
from tests.preprocess.conftest import write_lines

WORDS = "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ ᎠᏂᏴᏫ ᏗᏂᏲᎵ ᎤᏬᏚᎯ ᎢᎦ ᎠᎹ ᎣᏏᏲ ᏙᎯᏧ ᏩᏙ".split()
END = "᭟"  # no other row ends sentences with it
LINES = [" ".join(WORDS[i % 7 : i % 7 + 4]) + f" {i}{END} " + " ".join(WORDS[i % 5 :]) + END for i in range(80)]


@pytest.fixture
def cherokee(monkeypatch) -> None:
    scripts = ("Cherokee",)
    row = Language("chr", "Cherokee", scripts, WordUnit.SPACE, END, "word", "char", ("chr",), scripts)
    monkeypatch.setitem(LANGUAGES, row.code, row)


@pytest.mark.usefixtures("cherokee")
def test_one_row_is_enough(tmp_path, make_task):
    raw = write_lines(tmp_path / "raw", [*LINES, "今天天气很好，我们去公园散步。", "Это предложение на русском."])
    text, sides = tmp_path / "text.chr", [tmp_path / "parts.chr", tmp_path / "same.chr"]
    clean.main(["--lang", "chr", "--input", str(raw), "--output", str(text)])
    assert text.read_text("utf-8").splitlines() == LINES
    for side in sides:
        sentences.main(["--lang", "chr", "--input", str(text), "--output", str(side)])
    assert len(sides[0].read_text("utf-8").splitlines()) == 2 * len(LINES)
    vocab.main(["--input", f"chr={text}", "--size", "40", "--output", str(tmp_path / "vocab")])
    assert unit_name("chr") == "word"
    corpora = ["--mono", f"chr:train={text}", "--pair", f"chr-chr:same:train={sides[0]},{sides[1]}"]
    binarize.main(["--vocab", str(tmp_path / "vocab"), "--output", str(tmp_path / "data-bin"), *corpora])
    task = make_task(tmp_path / "data-bin", langs="chr", tokens_per_sample=64)
    task.load_dataset("train", epoch=1, combine=True)
    batches = list(task.get_batch_iterator(task.dataset("train"), max_sentences=16).next_epoch_itr())
    chr_token = task.source_dictionary.index("<chr>")
    assert sum(len(batch["id"]) for batch in batches) == len(task.dataset("train"))
    assert all((batch["net_input"]["prev_output_tokens"][:, 1] == chr_token).all() for batch in batches)


@pytest.mark.usefixtures("cherokee")
def test_its_scores():
    assert identify(LINES[0]) == "chr"
    result = evaluate([System("same", LINES)], [LINES], "chr", build_tokenizer("chr"), n_bootstrap=0)
    values = result.systems[0].values
    assert values["rougeL F1"].score == values["script"].score == values["language"].score == 100
    assert "tok:char" in result.signatures["BLEU"] and "tok:word" in result.signatures["rougeL"]
