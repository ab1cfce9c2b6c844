"""``swcm convert``."""

import json
import shutil
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch
from fairseq.data import Dictionary

from swcm_fairseq.data.vocabulary import Vocabulary
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop import convert, files
from swcm_fairseq.interop.read import read_encoder

FIXTURES = Path(__file__).with_name("fixtures")


@pytest.fixture
def run(monkeypatch, capsys):
    def run(*arguments) -> str:
        monkeypatch.setattr(sys, "argv", ["convert", *map(str, arguments)])
        convert.main()
        return capsys.readouterr().out

    return run


@pytest.mark.parametrize(("name", "spare"), [("xlmr", 0), ("bert", 5)])
def test_writes_one_directory(run, tmp_path, name, spare):
    out = tmp_path / "encoder"
    said = run(FIXTURES / name, "--output", out)
    assert {path.name for path in out.iterdir()} == {
        "config.json",
        "model.safetensors",
        "dict.txt",
        "sentencepiece.bpe.model",
    }
    before, after = read_encoder(FIXTURES / name), read_encoder(out)
    assert after.symbols == before.symbols
    assert after.layer_norm_eps == before.layer_norm_eps
    for key, tensor in before.tensors.items():
        expected = tensor[: len(before.symbols)] if key == "embed_tokens.weight" else tensor
        assert torch.equal(after.tensors[key], expected), key
    assert f"({spare} left out: no piece)" in said
    assert f"--pretrained-encoder {out}" in said
    assert len(Vocabulary(out).dictionary) == len(before.symbols) - 1  # <mask> is added by the task


@pytest.mark.parametrize("name", ["xlmr", "bert"])
def test_first_layers(run, tmp_path, name):
    """The first layers compute the same as in the whole encoder: only the tensors of the other layers are missing."""
    said = run(FIXTURES / name, "--output", tmp_path / "one", "--layers", "1")
    before, after = read_encoder(FIXTURES / name), read_encoder(tmp_path / "one")
    assert (before.layers, after.layers) == (2, 1)
    assert after.tensors.keys() == {key for key in before.tensors if not key.startswith("layers.1.")}
    for key in after.tensors.keys() - {"embed_tokens.weight"}:
        assert torch.equal(after.tensors[key], before.tensors[key]), key
    assert (after.layer_norm_eps, after.symbols) == (before.layer_norm_eps, before.symbols)
    assert "layers            1\n" in said
    assert said.endswith(f"  --arch xlm_swcm --pretrained-encoder {tmp_path / 'one'} --normal-layer-interval 1 ...\n")


def test_first_layers_of_fairseqs_checkpoints(run, tmp_path):
    """In both directions: from a fairseq checkpoint, and to one."""
    run(FIXTURES / "xlmr", "--output", tmp_path / "one.pt", "--layers", "1", "--to", "fairseq")
    state = torch.load(tmp_path / "one.pt", weights_only=True)
    assert state["cfg"]["model"]["encoder_layers"] == 1
    assert {name.split(".")[3] for name in state["model"] if ".layers." in name} == {"0"}
    shutil.copytree(FIXTURES / "xlmr", tmp_path / "source")
    run(FIXTURES / "xlmr", "--output", tmp_path / "source/model.pt", "--to", "fairseq")
    for name in ("config.json", "model.safetensors"):
        (tmp_path / "source" / name).unlink()
    run(tmp_path / "source", "--output", tmp_path / "cut", "--layers", "1")
    assert read_encoder(tmp_path / "cut").layers == 1


@pytest.mark.parametrize("layers", [0, 3, -1])
def test_layers_that_are_not_there(run, tmp_path, layers):
    with pytest.raises(InputError, match=rf"^--layers {layers}: .*xlmr has 2 layers; give 1 to 2$"):
        run(FIXTURES / "xlmr", "--output", tmp_path / "out", "--layers", str(layers))
    assert not (tmp_path / "out").exists()


def test_own_checkpoint(run, start, dictionary, tmp_path):
    """The encoder of a trained model is exported without language tokens."""
    dictionary.add_symbol("<bo>")
    model, _ = start(FIXTURES / "bert", dictionary)
    options = {key: value for key, value in vars(model.cfg).items() if key.startswith("encoder_")}
    state = {"model": model.state_dict(), "cfg": {"model": options}, "task_state": {"symbols": dictionary.symbols}}
    torch.save(state, tmp_path / "own.pt")
    arguments = [tmp_path / "own.pt", "--output", tmp_path / "encoder"]
    with pytest.raises(InputError, match="give its path with --sentencepiece-model"):
        run(*arguments)
    said = run(*arguments, "--sentencepiece-model", FIXTURES / "bert" / "sentencepiece.bpe.model")
    assert "(1 left out: no piece)" in said
    after = read_encoder(tmp_path / "encoder")
    assert "<bo>" not in after.symbols
    assert after.layer_norm_eps == 1e-12
    assert torch.equal(after.tensors["layers.1.fc1.weight"], model.encoder.layers[1].fc1.weight)


def test_other_order_of_rows(run, tmp_path):
    """tokenizer.json may list symbols in any order; rows are written in the dictionary's order."""
    source = Path(shutil.copytree(FIXTURES / "xlmr", tmp_path / "source"))
    before = read_encoder(source)
    vocabulary = [[symbol, 0.0] for symbol in before.symbols]
    vocabulary[5], vocabulary[9] = vocabulary[9], vocabulary[5]
    (source / "sentencepiece.bpe.model").rename(tmp_path / "spm.model")
    content = {"model": {"vocab": vocabulary}, "added_tokens": [{"id": len(vocabulary) - 1, "content": "<mask>"}]}
    (source / "tokenizer.json").write_text(json.dumps(content))
    run(source, "--output", tmp_path / "out", "--sentencepiece-model", tmp_path / "spm.model")
    after = read_encoder(tmp_path / "out")
    assert [after.symbols[5], after.symbols[9]] == [before.symbols[9], before.symbols[5]]
    assert Dictionary.load(str(tmp_path / "out" / "dict.txt")).symbols == after.symbols[:-1]
    assert torch.equal(after.tensors["embed_tokens.weight"], before.tensors["embed_tokens.weight"])


def test_existing_model_is_not_overwritten(run, tmp_path):
    run(FIXTURES / "xlmr", "--output", tmp_path / "out")
    with pytest.raises(InputError, match="already contains a model"):
        run(FIXTURES / "xlmr", "--output", tmp_path / "out")


def test_another_vocabulary_is_not_overwritten(run, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "dict.txt").write_text("▁another 1\n")
    with pytest.raises(InputError, match=r"dict\.txt: already exists with different content; give another directory"):
        run(FIXTURES / "xlmr", "--output", out)
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "dict.txt"]
    assert (out / "dict.txt").read_text() == "▁another 1\n"


def test_a_directory_with_the_same_vocabulary_gets_the_model(run, tmp_path):
    """As left by a run that was killed while it moved the files."""
    run(FIXTURES / "xlmr", "--output", tmp_path / "out")
    files = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    (tmp_path / "out" / "config.json").unlink()
    run(FIXTURES / "xlmr", "--output", tmp_path / "out")
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == files


def test_sentencepiece_model_of_another_vocabulary(run, tmp_path):
    source = Path(shutil.copytree(FIXTURES / "xlmr", tmp_path / "source"))
    (source / "dict.txt").write_text("".join(f"w{i} 1\n" for i in range(140)))
    with pytest.raises(InputError, match=r"lacks the piece .* different vocabularies"):
        run(source, "--output", tmp_path / "out")


def test_hub_names_are_downloaded_only_on_request(run, tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no such encoder"):
        run("hfl/cino-base-v2", "--output", tmp_path / "out")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(InputError, match="pip install huggingface_hub"):
        run("hfl/cino-base-v2", "--output", tmp_path / "out", "--hub")


def test_hub(run, tmp_path, monkeypatch):
    """Only data files are requested, at the given revision."""
    asked = {}

    def snapshot_download(name, revision, allow_patterns):
        asked.update(name=name, revision=revision, patterns=allow_patterns)
        return str(FIXTURES / "xlmr")

    library = ModuleType("huggingface_hub")
    library.snapshot_download = snapshot_download
    monkeypatch.setitem(sys.modules, "huggingface_hub", library)
    run("hfl/cino-base-v2", "--output", tmp_path / "out", "--hub", "--revision", "abc")
    assert (asked["name"], asked["revision"]) == ("hfl/cino-base-v2", "abc")
    assert not any(pattern.endswith((".py", "*")) for pattern in asked["patterns"])
    assert (tmp_path / "out" / "model.safetensors").is_file()


def test_cannot_be_written(run, tmp_path, monkeypatch):
    """One error line, and nothing half-written."""
    occupied = tmp_path / "file"
    occupied.write_text("mine")
    for target in (occupied, occupied / "encoder"):
        with pytest.raises(InputError, match=str(target)):
            run(FIXTURES / "xlmr", "--output", target)
    assert occupied.read_text() == "mine"

    def full(path, content):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.Path, "write_bytes", full)
    with pytest.raises(InputError, match="No space left on device; make room"):
        run(FIXTURES / "xlmr", "--output", tmp_path / "encoder")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
