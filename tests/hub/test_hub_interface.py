"""The text interface: the same outputs as fairseq-generate, in the order of the input."""

import logging
import shutil

import pytest
import torch
from fairseq.hub_utils import GeneratorHubInterface

from swcm_fairseq.errors import InputError
from swcm_fairseq.models import XLMSWCMModel
from swcm_fairseq.scoring.generate_output import read_generation
from tests.commands import run
from tests.hub.conftest import POSITIONS

DIRECTION = {"source_lang": "zh", "target_lang": "bo"}
SEARCH = {"beam": 3, "max_len_b": 8}


def generated(data_bin, checkpoint, folder, source, target, *options) -> list[str]:
    """The output of fairseq-generate for the test set."""
    run("fairseq-generate", data_bin, "--task", "multilingual_denoising_mt", "--path", checkpoint, "--cpu",
        "--gen-subset", "test", "--source-lang", source, "--target-lang", target, "--batch-size", 7,
        "--remove-bpe", "sentencepiece", "--results-path", folder, *options)  # fmt: skip
    return [segment.hypothesis or "" for segment in read_generation(folder / "generate-test.txt")]


@pytest.mark.parametrize("source, target", [("zh", "bo"), ("bo", "zh")])
def test_outputs_equal_fairseq_generates(model, checkpoint, data_bin, sample_data, tmp_path, source, target):
    texts = (sample_data / f"zh-bo.test.{source}").read_text("utf-8").splitlines()
    theirs = generated(data_bin, checkpoint, tmp_path, source, target, "--beam", 3, "--max-len-b", 8)
    ours = model.generate(texts, source_lang=source, target_lang=target, **SEARCH)
    assert ours == theirs
    assert len(set(ours)) > len(ours) / 2  # outputs depend on the source


@pytest.mark.parametrize("batches", [{"batch_size": 1}, {"max_tokens": 2 * POSITIONS}], ids=str)
def test_batches_make_no_difference(model, texts, batches):
    whole = model.generate(texts[:12], **DIRECTION, **SEARCH)
    assert model.generate(texts[11::-1], **DIRECTION, **SEARCH, **batches) == whole[::-1]


def test_one_text_gives_one_text(model, texts):
    assert model.generate(texts[0], **DIRECTION, **SEARCH) == model.generate(texts[:1], **DIRECTION, **SEARCH)[0]
    assert len(model.hypotheses(texts[0], **DIRECTION, **SEARCH)) == 1


def test_texts_may_come_from_an_iterator(model, texts):
    found = model.generate(iter(texts[:2]), **DIRECTION, **SEARCH)
    assert found == model.generate(texts[:2], **DIRECTION, **SEARCH)


def test_interactive_reads_as_many_tokens(model, checkpoint, data_bin, texts, tmp_path, capsys):
    """A model that was trained with a smaller --tokens-per-sample than the default, but has more positions."""
    export = ["-m", "swcm_fairseq.export", checkpoint, "--output", tmp_path / "export"]
    run("python", *export, "--vocab", data_bin)
    state = torch.load(tmp_path / "export/model.pt", weights_only=True)
    for half in ("source", "target"):
        state["cfg"]["model"][f"max_{half}_positions"] = 4 * POSITIONS
        name = {"source": "encoder", "target": "decoder"}[half] + ".embed_positions.weight"
        table = state["model"][name]
        state["model"][name] = torch.cat([table, *[table[2:]] * 3])
    torch.save(state, tmp_path / "export/model.pt")
    long = " ".join(texts[:20])
    (tmp_path / "input").write_text(f"{long}\n", "utf-8")
    options = ["--path", tmp_path / "export/model.pt", "--source-lang", "zh", "--target-lang", "bo", "--beam", "3"]
    run("fairseq-interactive", tmp_path / "export", "--task", "multilingual_denoising_mt", *options, "--cpu",
        "--max-len-b", 8, "--bpe", "sentencepiece", "--sentencepiece-model", data_bin / "sentencepiece.bpe.model",
        "--input", tmp_path / "input")  # fmt: skip
    out = capsys.readouterr().out
    theirs = next(line.split("\t")[2] for line in out.splitlines() if line.startswith("D-0"))
    model = XLMSWCMModel.from_pretrained(str(tmp_path / "export"))
    assert model.task.max_positions() == (POSITIONS, POSITIONS)
    assert model.generate(long, **DIRECTION, **SEARCH) == theirs


def test_blank_texts_give_empty_outputs_in_their_positions(model, texts):
    found = model.generate(["", texts[0], " \n", texts[1]], **DIRECTION, **SEARCH)
    assert [found[0], found[2]] == ["", ""]
    assert [found[1], found[3]] == model.generate(texts[:2], **DIRECTION, **SEARCH)
    assert model.generate([], **DIRECTION) == []
    assert model.generate("", **DIRECTION) == ""


def test_all_hypotheses(model, texts):
    found = model.hypotheses(texts[:3], **DIRECTION, **SEARCH)
    assert [len(hypotheses) for hypotheses in found] == [3, 3, 3]
    for hypotheses in found:
        scores = [float(hypothesis["score"]) for hypothesis in hypotheses]
        assert scores == sorted(scores, reverse=True)
    assert [model.decode(hypotheses[0]["tokens"]) for hypotheses in found] == model.generate(
        texts[:3], **DIRECTION, **SEARCH
    )


def test_the_target_language_decides(model, texts):
    languages = {lang: model.generate(texts[:5], source_lang="zh", target_lang=lang, **SEARCH) for lang in ("bo", "kk")}
    assert languages["bo"] != languages["kk"]


def test_truncation_is_reported_once(model, texts, caplog):
    with caplog.at_level(logging.WARNING):
        model.generate(["书" * 100, "书", "藏" * 60], **DIRECTION, **SEARCH)
    room = POSITIONS - 3
    assert caplog.text.count("texts have more than") == 1
    assert f"2 of 3 texts have more than {room} tokens (the first is number 1, with" in caplog.text
    assert f"only the first {room} tokens of each are read" in caplog.text


def test_sampling_is_reproducible_and_keeps_the_random_state(model, texts):
    sampling = {**DIRECTION, "beam": 1, "sampling": True, "max_len_b": 12}
    state = torch.get_rng_state()
    first = model.generate(texts[:6], **sampling)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.generate(texts[:6], **sampling) == first
    assert model.generate(texts[:6], seed=2, **sampling) != first


def test_no_dropout(model):
    assert not any(module.training for module in model.modules())


def test_progress_bar(model, texts, capsys):
    model.generate(texts[:3], progress_bar=True, **DIRECTION, **SEARCH)
    assert "3/3" in capsys.readouterr().err
    model.generate(texts[:3], **DIRECTION, **SEARCH)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "options, message",
    [
        ({"source_lang": "zh", "target_lang": "fr"}, "'fr' is not one of the languages bo,kk,mn,ug,zh"),
        ({"source_lang": "klingon", "target_lang": "bo"}, "not a language code"),
        ({"source_lang": "zh"}, 'target-lang is missing: give one of bo,kk,mn,ug,zh .*generate.*target_lang="bo"'),
        ({"target_lang": "bo"}, "source-lang is missing"),
        ({**DIRECTION, "beem": 3}, "unknown option beem; available: beam, max_len_a"),
        ({**DIRECTION, "beam": 0}, "beam=0: give 1 or more"),
        ({**DIRECTION, "beam": "many"}, "wrong type"),
        ({**DIRECTION, "max_tokens": 2}, "max_tokens=2: the longest text has"),
    ],
    ids=str,
)
def test_bad_options_are_one_line(model, texts, options, message):
    with pytest.raises(InputError, match=message):
        model.generate(texts, **options)


@pytest.mark.parametrize(
    "texts, message", [([b"x"], "text 1 is of type bytes"), (["a", "\ud800"], "text 2 .*surrogate")]
)
def test_invalid_texts_are_one_line(model, texts, message):
    with pytest.raises(InputError, match=message):
        model.generate(texts, **DIRECTION)


def test_languages_may_be_given_on_loading(checkpoint, data_bin, model, texts):
    other = XLMSWCMModel.from_pretrained(str(checkpoint.parent), checkpoint.name, str(data_bin), **DIRECTION)
    assert other.langs == ["bo", "kk", "mn", "ug", "zh"]
    assert other.generate(texts[:3], **SEARCH) == model.generate(texts[:3], **DIRECTION, **SEARCH)


def test_an_ensemble_of_one_model_twice_is_the_model(checkpoint, data_bin, model, texts):
    names = f"{checkpoint.name}:{checkpoint.name}"
    ensemble = XLMSWCMModel.from_pretrained(str(checkpoint.parent), names, str(data_bin))
    assert len(ensemble.models) == 2
    assert ensemble.generate(texts[:5], **DIRECTION, **SEARCH) == model.generate(texts[:5], **DIRECTION, **SEARCH)


def test_half_precision(checkpoint, data_bin, texts):
    half = XLMSWCMModel.from_pretrained(str(checkpoint.parent), checkpoint.name, str(data_bin)).half()
    assert next(half.parameters()).dtype is torch.float16
    assert all(half.generate(texts[:5], **DIRECTION, **SEARCH))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_on_a_gpu(checkpoint, data_bin, model, texts):
    moved = XLMSWCMModel.from_pretrained(str(checkpoint.parent), checkpoint.name, str(data_bin)).cuda()
    assert moved.device.type == "cuda"
    assert moved.generate(texts, **DIRECTION, **SEARCH) == model.generate(texts, **DIRECTION, **SEARCH)
    assert all(moved.half().generate(texts, **DIRECTION, **SEARCH))


@pytest.mark.parametrize(
    "missing, message",
    [
        ("directory", "no such directory; .*swcm export"),
        ("model.pt", r"model.pt: no such checkpoint \(available: none\)"),
        ("dict.txt", "dict.txt: missing; .*swcm export"),
        ("sentencepiece.bpe.model", "sentencepiece.bpe.model: missing; .*swcm export"),
    ],
)
def test_a_missing_file_is_one_line(checkpoint, data_bin, tmp_path, missing, message):
    folder = tmp_path / "directory"
    if missing != "directory":
        folder.mkdir()
        shutil.copy(checkpoint, folder / "model.pt")
        for name in ("dict.txt", "sentencepiece.bpe.model"):
            shutil.copy(data_bin / name, folder)
        (folder / missing).unlink()
    with pytest.raises(InputError, match=message):
        XLMSWCMModel.from_pretrained(str(folder))


def test_a_damaged_checkpoint_is_one_line(checkpoint, data_bin, tmp_path):
    (tmp_path / "model.pt").write_bytes(checkpoint.read_bytes()[:1000])
    with pytest.raises(InputError, match="not a readable checkpoint"):
        XLMSWCMModel.from_pretrained(str(tmp_path), "model.pt", str(data_bin))


def test_a_checkpoint_of_fairseqs_own_task_gets_fairseqs_interface(data_bin, tmp_path):
    for lang in ("zh", "bo"):
        shutil.copy(data_bin / "dict.txt", tmp_path / f"dict.{lang}.txt")
    for path in data_bin.glob("train.zh-bo.*"):
        shutil.copy(path, tmp_path)
    size = "--encoder-layers 3 --encoder-embed-dim 16 --encoder-ffn-embed-dim 32 --encoder-attention-heads 2".split()
    run("fairseq-train", tmp_path, "--task", "translation", "-s", "zh", "-t", "bo", "--arch", "xlm_swcm", *size,
        "--criterion", "cross_entropy", "--optimizer", "adam", "--batch-size", 8, "--max-update", 1, "--cpu",
        "--skip-invalid-size-inputs-valid-test", "--disable-validation", "--no-epoch-checkpoints",
        "--save-dir", tmp_path)  # fmt: skip
    loaded = XLMSWCMModel.from_pretrained(str(tmp_path), "checkpoint_last.pt")
    assert isinstance(loaded, GeneratorHubInterface)
    assert loaded.translate(["▁", "书"], beam=1, max_len_b=3)
