"""Exported directories contain everything needed to generate text."""

import shutil

import pytest
import torch

from swcm_fairseq.errors import InputError
from swcm_fairseq.export import export
from swcm_fairseq.models import XLMSWCMModel
from tests.commands import run
from tests.hub.conftest import TRAIN


@pytest.fixture(scope="module")
def exported(checkpoint, tmp_path_factory):
    output = tmp_path_factory.mktemp("exported") / "model with spaces"
    assert export(checkpoint, output) == ["bo", "kk", "mn", "ug", "zh"]
    return output


def test_the_command_prints_what_it_wrote_and_how_to_use_it(checkpoint, tmp_path, capsys):
    run("python", "-m", "swcm_fairseq.export", checkpoint, "--output", tmp_path / "out")
    out = capsys.readouterr().out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "dict.txt", "model.pt", "sentencepiece.bpe.model",
    ]  # fmt: skip
    assert "languages   bo kk mn ug zh" in out
    assert f'XLMSWCMModel.from_pretrained("{tmp_path / "out"}")' in out


def test_no_optimizer_state_and_the_same_weights(exported, checkpoint):
    ours, theirs = (torch.load(path, weights_only=True) for path in (exported / "model.pt", checkpoint))
    assert "last_optimizer_state" in theirs and "last_optimizer_state" not in ours
    assert list(ours["model"]) == list(theirs["model"])
    assert all(torch.equal(tensor, theirs["model"][name]) for name, tensor in ours["model"].items())


def test_the_directory_suffices_for_the_same_outputs(exported, model, texts, tmp_path):
    moved = shutil.copytree(exported, tmp_path / "moved")
    options = {"source_lang": "zh", "target_lang": "bo", "beam": 2, "max_len_b": 10}
    assert XLMSWCMModel.from_pretrained(str(moved)).generate(texts, **options) == model.generate(texts, **options)


def test_a_training_starts_from_it(exported, data_bin, tmp_path):
    start = ("--finetune-from-model", exported / "model.pt")
    run("fairseq-train", data_bin, *TRAIN, "--save-dir", tmp_path, *start, "--max-update", 2, "--lr", 0)
    weights = torch.load(tmp_path / "checkpoint_last.pt", weights_only=True)["model"]
    expected = torch.load(exported / "model.pt", weights_only=True)["model"]
    assert [name for name, tensor in expected.items() if not torch.equal(weights[name], tensor)] == []


def test_bad_input_is_one_line(checkpoint, exported, data_bin, tmp_path):
    with pytest.raises(InputError, match="already contains a model"):
        export(checkpoint, exported)
    with pytest.raises(InputError, match=r"dict.txt: missing; .*--vocab"):
        export(checkpoint, tmp_path / "out", tmp_path)
    other = tmp_path / "other"
    other.mkdir()
    shutil.copy(data_bin / "sentencepiece.bpe.model", other)
    first, *rest = (data_bin / "dict.txt").read_text("utf-8").splitlines(keepends=True)
    (other / "dict.txt").write_text("".join([*rest, first]), "utf-8")
    with pytest.raises(InputError, match="a different vocabulary from the checkpoint"):
        export(checkpoint, tmp_path / "out", other)
    state = torch.load(checkpoint, weights_only=True)
    for change, message in (
        ({"task_state": {}}, "not trained with --task multilingual_denoising_mt"),
        ({"task_state": {"symbols": []}}, "not trained with --task multilingual_denoising_mt"),
        ({"cfg": None}, "contains no training options, .*--finetune-from-model"),
        (None, "not a checkpoint of fairseq-train"),
    ):
        torch.save({**state, **change} if change else state["model"], tmp_path / "odd.pt")
        with pytest.raises(InputError, match=message):
            export(tmp_path / "odd.pt", tmp_path / "out")
    assert not list(tmp_path.glob("*out*"))
