"""Extending and pruning vocabularies: ids, rows, segmentation, unknown tokens, report."""

import itertools
import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import load_file as torch_load_file
from safetensors.torch import save_file as torch_save_file

from preprocess import vocab, vocab_extend, vocab_prune
from preprocess.vocabulary.sentencepiece_models import add_pieces, keep_pieces, processor_of, read_model, symbols
from swcm_fairseq.data.vocabulary import Vocabulary
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.huggingface import read_symbols
from swcm_fairseq.interop.lm_head import HEAD
from swcm_fairseq.interop.read import read_encoder
from swcm_fairseq.interop.write import write_encoder
from swcm_fairseq.interop.write_fairseq import write_roberta
from tests.preprocess.conftest import write_lines

WIDTH, SPARE_ROWS = 6, 3
XLMR = Path(__file__).parents[1] / "interop/fixtures/xlmr"


@pytest.fixture(scope="module")
def encoder(sample_data, tmp_path_factory):
    """A Hugging Face directory without Tibetan pieces; its rows are numbered, and some belong to no symbol."""
    directory = tmp_path_factory.mktemp("encoder") / "encoder"
    files = [f"{lang}={sample_data}/mono.{lang}.train.txt" for lang in ("zh", "kk", "mn", "ug")]
    vocab.main(["--size", "2500", "--output", str(directory), "--input", *files])
    rows = len(symbols(read_model(directory))) + SPARE_ROWS
    table = np.arange(rows * WIDTH, dtype=np.float32).reshape(rows, WIDTH)
    tensors = {
        "roberta.embeddings.word_embeddings.weight": table,
        "roberta.embeddings.position_embeddings.weight": np.ones((8, WIDTH), np.float32),
        "lm_head.bias": np.arange(rows, dtype=np.float32),
    }
    save_file(tensors, directory / "model.safetensors")
    (directory / "config.json").write_text(
        json.dumps({"model_type": "xlm-roberta", "vocab_size": rows, "pad_token_id": 0})
    )
    return directory


@pytest.fixture(scope="module")
def extended(encoder, sample_data, tmp_path_factory):
    output = tmp_path_factory.mktemp("extended") / "extended"
    check = [f"{lang}={sample_data}/mono.{lang}.valid.txt" for lang in ("bo", "zh")]
    vocab_extend.main(
        f"--vocab {encoder} --input bo={sample_data}/mono.bo.train.txt --size 500 --output {output} --check".split()
        + check
    )
    return output


def rows_by_symbol(directory):
    tensors = load_file(directory / "model.safetensors")
    names = symbols(read_model(directory))
    table = tensors["roberta.embeddings.word_embeddings.weight"]
    return {name: (table[i], tensors["lm_head.bias"][i]) for i, name in enumerate(names)}, len(table)


def assert_rows_carried(source, target):
    """Check that the rows of all common pieces are equal, bit for bit."""
    old, _ = rows_by_symbol(source)
    new, rows = rows_by_symbol(target)
    assert len(new) == rows == json.loads((target / "config.json").read_text())["vocab_size"]
    for symbol in old.keys() & new.keys():
        assert np.array_equal(old[symbol][0], new[symbol][0]) and old[symbol][1] == new[symbol][1], symbol
    return old, new


def test_extending_makes_tibetan_known(extended):
    _, bo, zh = json.loads((extended / "report.json").read_text())["coverage"]
    assert bo["file"].startswith("bo=") and bo["unit"] == "syllable"
    assert bo["before"]["unknown"] > 0.4 * bo["before"]["tokens"]
    assert bo["after"]["unknown"] < 0.005 * bo["after"]["tokens"]
    assert zh["before"] == zh["after"]


def test_extending_keeps_ids_and_rows(encoder, extended):
    old, new = symbols(read_model(encoder)), symbols(read_model(extended))
    assert new[: len(old) - 1] == old[:-1]
    assert (old[-1], new[-1]) == ("<mask>", "<mask>")
    before, after = assert_rows_carried(encoder, extended)
    added = np.stack([after[symbol][0] for symbol in after.keys() - before.keys()])
    assert 0.015 < added.std() < 0.025
    assert Vocabulary(extended).dictionary.symbols == new[:-1]
    assert json.loads((extended / "config.json").read_text())["pad_token_id"] == 1


@pytest.mark.parametrize("lang", ["zh", "kk", "mn", "ug"])
def test_extending_changes_no_line_of_the_other_languages(encoder, extended, sample_data, lang):
    lines = (sample_data / f"mono.{lang}.train.txt").read_text(encoding="utf-8").split("\n")
    old, new = (Vocabulary(directory).processor.encode(lines, out_type=str) for directory in (encoder, extended))
    assert old == new


def test_pruning_keeps_segmentation_and_rows(extended, sample_data, tmp_path):
    files = [sample_data / f"mono.{lang}.train.txt" for lang in ("bo", "kk")]
    arguments = ["--vocab", str(extended), "--input", *map(str, files)]
    vocab_prune.main([*arguments, "--output", str(tmp_path / "small"), "--workers", "2"])
    small, before = Vocabulary(tmp_path / "small"), Vocabulary(extended)
    assert len(small.dictionary) < len(before.dictionary)
    for file in files:
        lines = file.read_text(encoding="utf-8").split("\n")
        assert small.processor.encode(lines, out_type=str) == before.processor.encode(lines, out_type=str)
    assert_rows_carried(extended, tmp_path / "small")
    order = [symbol for symbol in before.dictionary.symbols if symbol in small.dictionary]
    assert order == small.dictionary.symbols
    unused = (sample_data / "mono.zh.valid.txt").read_text(encoding="utf-8").split("\n")  # text not counted
    for line in unused:
        pieces = before.processor.encode(line, out_type=str)
        if all(piece in small.dictionary for piece in pieces):
            assert small.processor.encode(line, out_type=str) == pieces


def test_rows_of_old_and_sharded_files_are_carried_too(encoder, sample_data, tmp_path):
    """pytorch_model.bin with a tied output matrix, and safetensors in shards."""
    tensors = torch_load_file(encoder / "model.safetensors")
    old, shards = tmp_path / "old", tmp_path / "shards"
    for directory in (old, shards):
        shutil.copytree(encoder, directory)
        (directory / "model.safetensors").unlink()
    tied = {**tensors, "lm_head.decoder.weight": tensors["roberta.embeddings.word_embeddings.weight"]}
    torch.save(tied, old / "pytorch_model.bin")
    names = sorted(tensors)
    for i, name in enumerate(names):
        torch_save_file({name: tensors[name]}, shards / f"model-{i}.safetensors")
    index = {"weight_map": {name: f"model-{i}.safetensors" for i, name in enumerate(names)}}
    (shards / "model.safetensors.index.json").write_text(json.dumps(index))
    for directory in (old, shards):
        text = sample_data / "mono.kk.train.txt"
        vocab_prune.main(f"--vocab {directory} --input {text} --output {directory}-small".split())
        small = directory.with_name(f"{directory.name}-small")
        assert_rows_carried(encoder, small)
        report = json.loads((small / "report.json").read_text())["encoder"]
        assert report["parameters_before"] == sum(tensor.numel() for tensor in tensors.values())
    written = load_file(tmp_path / "old-small/model.safetensors")
    assert np.array_equal(written["lm_head.decoder.weight"], written["roberta.embeddings.word_embeddings.weight"])


def test_the_model_starts_from_a_changed_encoder(encoder, sample_data, tmp_path):
    """swcm_fairseq.interop reads the written encoder, symbol by symbol."""
    vocab_prune.main(f"--vocab {encoder} --input {sample_data}/mono.kk.train.txt --output {tmp_path / 'small'}".split())
    assert read_symbols(tmp_path / "small") == symbols(read_model(tmp_path / "small"))


def test_a_fairseq_checkpoint_is_taken_too(sample_data, tmp_path):
    """The result has the same files as from the directory the checkpoint was made from, including the LM head."""
    for name in ("directory", "checkpoint"):
        shutil.copytree(XLMR, tmp_path / name)
    weights = read_encoder(XLMR)
    width = weights.embed_dim
    shapes = {"dense.weight": (width, width), "bias": (len(weights.symbols),)}
    weights.head = {name: torch.full(shapes.get(name, (width,)), 0.5) for name in HEAD}
    shutil.rmtree(tmp_path / "directory")
    write_encoder(weights, tmp_path / "directory", weights.sentencepiece)
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "checkpoint" / name).unlink()
    write_roberta(weights, tmp_path / "checkpoint/model.pt")
    text = sample_data / "mono.kk.train.txt"
    sources = ("directory", "checkpoint", "checkpoint/model.pt")
    for i, source in enumerate(sources):
        arguments = f"--vocab {tmp_path / source} --output {tmp_path / f'out{i}'}".split()
        vocab_extend.main([*arguments, "--input", f"kk={text}", "--size", "300"])
    first, *others = ({path.name: path.read_bytes() for path in (tmp_path / f"out{i}").iterdir()} for i in range(3))
    assert first["model.safetensors"] == others[0]["model.safetensors"] == others[1]["model.safetensors"]
    assert {"dict.txt", "sentencepiece.bpe.model", "config.json", "report.json"} < first.keys()
    assert read_encoder(tmp_path / "out0").head["bias"][: len(weights.symbols) - 1].eq(0.5).all()
    (tmp_path / "checkpoint/sentencepiece.bpe.model").unlink()
    with pytest.raises(InputError, match=r"no sentencepiece model next to the checkpoint; .*swcm convert"):
        vocab_prune.main(f"--vocab {tmp_path}/checkpoint/model.pt --input {text} --output {tmp_path}/no".split())


@pytest.mark.parametrize("name", ["sentencepiece.bpe.model", "config.json", "model.safetensors"])
def test_an_encoder_without_a_dictionary_is_not_overwritten(encoder, texts, tmp_path, name):
    """Directories in Hugging Face's layout have no dict.txt."""
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(encoder / name, other)
    for command, arguments in (
        (vocab, f"--size 80 --input {texts['bo']}"),
        (vocab_prune, f"--vocab {encoder} --input {texts['zh']}"),
        (vocab_extend, f"--vocab {encoder} --input bo={texts['bo']} --size 80"),
    ):
        with pytest.raises(InputError, match="other: already contains another vocabulary, or an encoder; remove it"):
            command.main([*arguments.split(), "--output", str(other)])
    assert contents(other) == {name: (encoder / name).read_bytes()}


def contents(directory):
    return {path.name: path.read_bytes() for path in directory.iterdir()}


@pytest.mark.parametrize("files", range(6))
def test_the_same_command_continues_after_an_interruption(encoder, texts, tmp_path, monkeypatch, files):
    """Ctrl-C after some files got their names; the same command then writes the same files as without it."""
    arguments = f"--vocab {encoder} --input {texts['zh']} --output".split()
    calls, replace = itertools.count(), os.replace

    def interrupted(*paths):
        if next(calls) == files:
            raise KeyboardInterrupt
        replace(*paths)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(os, "replace", interrupted)
        vocab_prune.main([*arguments, str(tmp_path / "again")])
    assert len(contents(tmp_path / "again")) == min(files, 4)
    for name in ("again", "whole"):
        vocab_prune.main([*arguments, str(tmp_path / name)])
    assert contents(tmp_path / "again") == contents(tmp_path / "whole")


def test_characters_are_kept_unless_dropped(extended, tmp_path):
    text = write_lines(tmp_path / "text", ["Пайдаланушы"])
    sizes = []
    for name, flag in (("kept", []), ("dropped", ["--drop-characters"])):
        vocab_prune.main(["--vocab", str(extended), "--input", str(text), "--output", str(tmp_path / name), *flag])
        dictionary = Vocabulary(tmp_path / name).dictionary
        sizes.append(sum(len(symbol) == 1 for symbol in dictionary.symbols))
    assert sizes[0] > 500 > sizes[1]


def test_added_pieces_are_no_special_symbols(encoder):
    model = read_model(encoder)
    assert add_pieces(model, ["<mask>", "<bo>", "་བཀྲ", "་བཀྲ", "<s>"]) == ["་བཀྲ"]
    assert keep_pieces(model, lambda _, piece: piece.piece != "་བཀྲ") == ["་བཀྲ"]
    assert processor_of(model).serialized_model_proto() == processor_of(read_model(encoder)).serialized_model_proto()


@pytest.mark.parametrize(
    ("command", "args", "message"),
    [
        (vocab_extend, "--vocab {encoder}", "nothing to add"),
        (vocab_extend, "--vocab {encoder} --input {text}", "--input needs a language"),
        (vocab_extend, "--vocab /no/such --input bo={text}", "no such sentencepiece model"),
        (vocab_prune, "--vocab {encoder} --input /no/such", "/no/such: no such file"),
        (vocab_prune, "--vocab {encoder} --input {text} --min-count 0", "^--min-count 0: must be at least 1"),
        (vocab_prune, "--vocab {mixed} --input {text}", "lists other pieces than"),
        (vocab_prune, "--vocab {few} --input {text}", r"\d+ embedding rows, but its vocabulary has \d+ symbols"),
        (vocab_prune, "--vocab {cut} --input {text}", "not a readable safetensors file"),
    ],
)
def test_bad_input_is_refused(encoder, vocabulary_dir, tmp_path, command, args, message):
    def copy(name, **files):
        (tmp_path / name).mkdir()
        for file in ("sentencepiece.bpe.model", "dict.txt", "config.json", "model.safetensors"):
            (tmp_path / name / file).write_bytes(files.get(file.split(".")[0], (encoder / file).read_bytes()))
        return tmp_path / name

    few = tmp_path / "few.safetensors"
    save_file({"embeddings.word_embeddings.weight": np.zeros((9, 2), np.float32)}, few)
    places = {
        "encoder": encoder,
        "text": write_lines(tmp_path / "text", ["text"]),
        "mixed": copy("mixed", dict=(vocabulary_dir / "dict.txt").read_bytes()),
        "few": copy("few", model=few.read_bytes()),
        "cut": copy("cut", model=(encoder / "model.safetensors").read_bytes()[:100]),
    }
    with pytest.raises(InputError, match=message):
        command.main(["--output", str(tmp_path / "out"), *args.format(**places).split()])
