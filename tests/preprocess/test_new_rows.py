"""Rows of new pieces: the old rows they start from, files, output and bad input."""

import gzip
import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from preprocess import vocab, vocab_extend
from preprocess.vocabulary import bitext, word_alignment
from preprocess.vocabulary.sentencepiece_models import read_model, symbols
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.new_rows import started_rows
from swcm_fairseq.interop.row_plans import ALIGNED, MEAN, RANDOM, SPLIT, Start

WIDTH = 32


@pytest.fixture(scope="module")
def encoder(sample_data, tmp_path_factory):
    """An encoder without Tibetan: random rows around a mean, a tied output matrix and a bias."""
    directory = tmp_path_factory.mktemp("encoder") / "encoder"
    vocab.main(f"--size 1200 --output {directory} --input zh={sample_data}/zh-bo.train.zh".split())
    rows = len(symbols(read_model(directory)))
    generator = torch.Generator().manual_seed(0)
    table = 0.1 + torch.randn(rows, WIDTH, generator=generator)
    tensors = {
        "roberta.embeddings.word_embeddings.weight": table,
        "lm_head.decoder.weight": table.clone(),
        "lm_head.bias": torch.randn(rows, generator=generator) - 3,
    }
    save_file(tensors, directory / "model.safetensors")
    (directory / "config.json").write_text(json.dumps({"model_type": "xlm-roberta", "vocab_size": rows}))
    return directory


@pytest.fixture(scope="module")
def pair(sample_data):
    return f"zh-bo={sample_data}/zh-bo.train.zh,{sample_data}/zh-bo.train.bo"


@pytest.fixture(scope="module")
def extend(encoder, sample_data, tmp_path_factory):
    def run(*options, vocabulary=encoder):
        output = tmp_path_factory.mktemp("extended") / "out"
        text = f"bo={sample_data}/zh-bo.train.bo"
        command = ["--vocab", vocabulary, "--input", text, "--size", 500, "--output", output, *options]
        vocab_extend.main(list(map(str, command)))
        return output

    return run


@pytest.fixture(scope="module")
def aligned(extend, pair):
    return extend("--align", pair)


def rows_of(directory):
    """Symbol -> row, and symbol -> bias; checks that embeddings and output matrix are the same."""
    tensors = load_file(directory / "model.safetensors")
    table = tensors["roberta.embeddings.word_embeddings.weight"]
    assert torch.equal(table, tensors["lm_head.decoder.weight"])
    names = symbols(read_model(directory))
    return dict(zip(names, table, strict=True)), dict(zip(names, tensors["lm_head.bias"], strict=True))


def report_of(directory):
    report = json.loads((directory / "report.json").read_text())["encoder"]
    assert sum(report["new_rows"]["rows"].values()) == report["new"], "every new row is counted once"
    return report["new_rows"]


# Of the sample's software manuals: table, to insert, icon, cell, data.
TRANSLATIONS = {"རེའུ་མིག་": "表格", "བསྒར་འཛུད་": "插入", "རིས་རྟགས་": "图标", "དྲ་མིག་": "单元格", "གཞི་གྲངས་": "数据"}


def test_a_piece_is_close_to_its_translation(aligned, encoder):
    rows, biases = rows_of(aligned)
    old, old_biases = rows_of(encoder)
    table = torch.nn.functional.normalize(torch.stack(list(old.values())), dim=1)
    for piece, translation in TRANSLATIONS.items():
        similar = table @ torch.nn.functional.normalize(rows[piece], dim=0)
        assert list(old)[similar.argmax()] == translation
        assert abs(biases[piece] - old_biases[translation]) < 1, "random biases differ by 1.4, zero biases by 3"
    assert all(torch.equal(rows[symbol], row) for symbol, row in old.items())


def test_report(aligned, pair):
    report = report_of(aligned)
    assert report["rows"][ALIGNED] > 350
    assert report["rows"][RANDOM] == report["rows"][SPLIT] == 0
    assert report["rows"][MEAN] > 0
    assert report["texts"] == [{"align": pair, "lines": {"used": 380}}]
    examples = {example["piece"]: example["translations"] for example in report["examples"]}
    assert max(examples["རེའུ་མིག་"], key=examples["རེའུ་མིག་"].get) == "表格"
    assert all(sum(parts.values()) == pytest.approx(1, abs=0.01) for parts in examples.values())


def test_printed_report(extend, pair, capsys):
    extend("--align", pair)
    out = capsys.readouterr().out
    assert "mean of their translations" in out
    assert "  རེའུ་མིག་ <- 表格 0.98\n" in out


def test_the_same_seed_gives_the_same_rows(extend, aligned, pair, monkeypatch):
    """Also if texts are sampled."""
    again = extend("--align", pair)
    assert (again / "model.safetensors").read_bytes() == (aligned / "model.safetensors").read_bytes()
    monkeypatch.setattr(bitext, "MAX_PAIRS", 100)
    one, two, other = (extend("--align", pair, "--seed", seed) for seed in (1, 1, 2))
    assert (one / "model.safetensors").read_bytes() == (two / "model.safetensors").read_bytes()
    assert report_of(one)["texts"][0]["lines"] == {"beyond the sample": 280, "used": 100}
    assert report_of(one)["examples"] != report_of(other)["examples"]


def test_packed_text_and_several_pairs(extend, aligned, sample_data, pair, tmp_path):
    """Links of two texts are added up; languages may be given in either order."""
    for side in ("zh", "bo"):
        content = (sample_data / f"zh-bo.train.{side}").read_bytes()
        (tmp_path / f"half.{side}.gz").write_bytes(gzip.compress(content))
    twice = extend("--align", pair, f"bo-zh={tmp_path}/half.bo.gz,{tmp_path}/half.zh.gz")
    links = [report_of(directory)["examples"][0]["links"] for directory in (aligned, twice)]
    assert links[1] == pytest.approx(2 * links[0], rel=0.01)


def test_random_and_mean_rows(extend, encoder, aligned):
    """Random rows as in CINO, and means of old rows, which noise keeps distinct."""
    random, mean = extend(), extend("--new-rows", "mean")
    # CINO's paper says variance 0.02; in BERT's code, 0.02 is the standard deviation.
    variance = extend("--new-rows-std", 0.02**0.5)
    old = rows_of(encoder)[0]
    new = [symbol for symbol in rows_of(random)[0] if symbol not in old]
    assert report_of(random)["rows"][RANDOM] == report_of(mean)["rows"][MEAN] == len(new)
    drawn, means = (torch.stack([rows_of(directory)[0][symbol] for symbol in new]) for directory in (random, mean))
    assert drawn.std() == pytest.approx(0.02, rel=0.1)
    wide = torch.stack([rows_of(variance)[0][symbol] for symbol in new])
    assert wide.var() == pytest.approx(0.02, rel=0.1) and report_of(variance)["std"] == 0.02**0.5
    pieces = torch.stack([row for symbol, row in old.items() if symbol[0] != "<"])
    assert torch.allclose(means.mean(0) / means.mean(0).norm(), pieces.mean(0) / pieces.mean(0).norm(), atol=0.1)
    assert len({tuple(row.tolist()) for row in means}) == len(new)
    biases = rows_of(random)[1]
    assert all(biases[symbol] == 0 for symbol in new)
    assert all(rows_of(mean)[1][symbol] == pytest.approx(-3, abs=0.1) for symbol in new)


def test_pieces_that_the_old_vocabulary_spells(sample_data, encoder, tmp_path):
    """Chinese text adds words whose characters are known; their rows are the means of the characters' rows."""
    arguments = f"--vocab {encoder} --input zh={sample_data}/mono.zh.train.txt --size 1000 --new-rows mean"
    vocab_extend.main([*arguments.split(), "--output", str(tmp_path / "out")])
    assert report_of(tmp_path / "out")["rows"][SPLIT] > 10


def test_pushed_apart(extend, aligned, encoder, pair):
    """All rows of the language move in the same direction: their mean moves, their differences stay."""
    pushed, (old, _) = extend("--align", pair, "--push-apart", "0.5"), rows_of(encoder)
    before, after = rows_of(aligned)[0], rows_of(pushed)[0]
    new = [symbol for symbol in before if symbol not in old]
    moves = torch.stack(
        [after[symbol] / after[symbol].norm() - before[symbol] / before[symbol].norm() for symbol in new]
    )
    direction = torch.nn.functional.normalize(moves.mean(0), dim=0)
    assert (torch.nn.functional.normalize(moves, dim=1) @ direction).median() > 0.8
    norms = [torch.stack([rows[symbol] for symbol in new]).norm(dim=1) for rows in (before, after)]
    assert torch.allclose(*norms, rtol=1e-3), "their length must be unchanged"


def test_a_row_is_the_weighted_mean_as_long_as_its_parts():
    table = torch.eye(4)[:3] * torch.tensor([[2.0], [4.0], [6.0]])
    places = {"a": 0, "b": 1, "c": 2}
    starts = [Start("bo", ALIGNED, (("a", 0.75), ("b", 0.25))), Start("bo", MEAN)]
    bias = started_rows(torch.tensor([1.0, 2.0, 6.0]), places, starts, 0.0, 1)
    assert bias.tolist() == [1.25, 3.0]
    rows = started_rows(table, places, starts, 0.0, 1)
    assert rows[0].norm() == pytest.approx(0.75 * 2 + 0.25 * 4)
    assert rows[1].norm() == pytest.approx(table.mean(0).norm().item())
    assert started_rows(table.half(), places, starts, 0.0, 1).dtype == torch.float16


BAD = [
    ("zh-bo", "--align zh-bo: expected LANG-LANG=FILE,FILE"),
    ("zh-bo={zh}", "expected LANG-LANG=FILE,FILE"),
    ("zhbo={zh},{bo}", "expected LANG-LANG=FILE,FILE"),
    ("zh-bo={zh},{bo},{bo}", "expected LANG-LANG=FILE,FILE"),
    ("zh-bo={zh},", "expected LANG-LANG=FILE,FILE"),
    ("zh-bo={zh},/no/such", "/no/such: no such file"),
    ("zh-ug={zh},{bo}", "neither language is new; name the new one's text: --input ug=FILE"),
    ("bo-bo={bo},{bo}", "both languages are new"),
    ("zh-bo={zh},{short}", r"short:3: no such line; .*zh-bo.train.zh has 380, .*short has 2"),
    ("zh-bo={zh},{empty}", "empty: the file is empty"),
    ("zh-bo={blank},{bo}", "no line has text in both files"),
    ("zh-bo={latin},{bo}", "latin:1: invalid UTF-8"),
]


@pytest.mark.parametrize(("spec", "message"), BAD)
def test_bad_parallel_text(extend, sample_data, tmp_path, spec, message):
    places = {name: sample_data / f"zh-bo.train.{name}" for name in ("zh", "bo")}
    for name, content in (("short", b"a\nb\n"), ("empty", b""), ("blank", b"\n" * 380), ("latin", b"\xe9\n" * 380)):
        places[name] = tmp_path / name
        places[name].write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        extend("--align", spec.format(**places))
    assert "\n" not in str(error.value)


def test_rows_need_an_encoder(extend, encoder, pair, tmp_path):
    alone = tmp_path / "vocabulary"
    shutil.copytree(encoder, alone, ignore=shutil.ignore_patterns("model.safetensors", "config.json"))
    for options in (["--align", pair], ["--new-rows", "mean"]):
        with pytest.raises(InputError, match=f"^{options[0]}.* contains no encoder, so there are no rows to start"):
            extend(*options, vocabulary=alone)
    with pytest.raises(InputError, match=r"^--push-apart moves rows that start from old ones"):
        extend("--push-apart", "0.5")
    with pytest.raises(InputError, match=r"^--push-apart -1\.0: must be 0 or more"):
        extend("--push-apart", "-1", "--align", pair)


def test_output_over_the_parallel_text(encoder, sample_data, tmp_path):
    text = shutil.copy(sample_data / "zh-bo.train.bo", tmp_path / "dict.txt")
    arguments = f"--vocab {encoder} --input bo={sample_data}/zh-bo.train.bo --output {tmp_path}"
    with pytest.raises(InputError, match=r"dict\.txt"):
        vocab_extend.main([*arguments.split(), "--align", f"zh-bo={sample_data}/zh-bo.train.zh,{text}"])


def test_memory_is_bounded(monkeypatch):
    """However large the text, the number of cells stays within the limit."""
    made = []
    monkeypatch.setattr(word_alignment, "MAX_CELLS", 5_000)
    cells = word_alignment._cells
    monkeypatch.setattr(word_alignment, "_cells", lambda *args: made.append(cells(*args)) or made[-1])
    generator = np.random.default_rng(0)
    text = bitext.EncodedBitext(*([generator.integers(0, 50, 10) for _ in range(1000)] for _ in range(2)))
    links = word_alignment.align(text, 50, seed=1)
    assert links.pairs == 50
    assert len(made[0][0]) <= 5_000
