"""The directory for transformers: its files, and refused inputs."""

import json

import pytest
import torch
from safetensors.torch import load_file

from swcm_fairseq.errors import InputError
from swcm_fairseq.export import export, export_huggingface
from swcm_fairseq.interop.hub import is_name
from swcm_fairseq.interop.read import read_encoder
from swcm_fairseq.interop.write_fairseq import write_roberta
from swcm_fairseq.model_card import model_card
from tests.commands import run
from tests.huggingface.conftest import LANGS, layout_checkpoint


def test_the_command_writes_every_file(checkpoint, tmp_path, capsys):
    command = (
        "python",
        "-m",
        "swcm_fairseq.export",
        checkpoint,
        "--format",
        "huggingface",
        "--output",
        tmp_path / "out",
    )
    run(*command, "--source-lang", "zh", "--target-lang", "bo", "--license", "cc-by-4.0")
    out = capsys.readouterr().out
    assert "AutoModelForSeq2SeqLM.from_pretrained" in out and "languages   bo kk mn ug zh" in out
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "README.md", "config.json", "configuration_xlm_swcm.py", "dict.txt", "generation_config.json",
        "model.safetensors", "modeling_xlm_swcm.py", "sentencepiece.bpe.model", "tokenization_xlm_swcm.py",
        "tokenizer_config.json",
    ]  # fmt: skip
    generation = json.loads((tmp_path / "out" / "generation_config.json").read_text())
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert generation["forced_bos_token_id"] == config["language_token_ids"]["bo"]
    assert generation["decoder_start_token_id"] == 0
    tokenizer = json.loads((tmp_path / "out" / "tokenizer_config.json").read_text())
    assert (tokenizer["src_lang"], tokenizer["tgt_lang"], tokenizer["langs"]) == ("zh", "bo", list(LANGS))
    assert str(tmp_path) not in json.dumps(config)  # no path of this machine
    card = (tmp_path / "out" / "README.md").read_text("utf-8")
    assert "license: cc-by-4.0" in card and "inherit 0, inherit 1, normal" in card and "| zh-bo | pair |" in card


def test_tied_matrices_are_stored_once(checkpoint, tmp_path):
    export_huggingface(layout_checkpoint(checkpoint, tmp_path / "c.pt", {"tie_ffn": True}), tmp_path / "out")
    tensors = load_file(tmp_path / "out" / "model.safetensors")
    assert "lm_head.weight" not in tensors and "model.decoder.embed_tokens.weight" not in tensors
    assert not any(".decoder." in name and ".ffn2." in name for name in tensors)
    tied = {"duplicate_inserted_layers": True, "tie_duplicates": True}
    export_huggingface(layout_checkpoint(checkpoint, tmp_path / "c.pt", tied), tmp_path / "duplicates")
    names = load_file(tmp_path / "duplicates" / "model.safetensors")
    assert {name.split(".")[3] for name in names if ".decoder.layers." in name} == {"0", "1"}


def test_bad_input_is_one_line(checkpoint, tmp_path):
    state = torch.load(checkpoint, weights_only=True)
    mbart = {**state["cfg"], "model": {**state["cfg"]["model"], "_name": "mbart_large"}}
    for change, message in (
        ({"task_state": {}}, "not trained with --task multilingual_denoising_mt"),
        ({"cfg": mbart}, "the model has --arch mbart_large; only xlm_swcm"),
    ):
        torch.save({**state, **change}, tmp_path / "odd.pt")
        with pytest.raises(InputError, match=message):
            export_huggingface(tmp_path / "odd.pt", tmp_path / "out")
    with pytest.raises(InputError, match=r"--target-lang fr: .* has the languages bo,kk,mn,ug,zh"):
        export_huggingface(checkpoint, tmp_path / "out", target_lang="fr")
    assert not (tmp_path / "out").exists()


def test_an_encoder_cannot_be_exported(repository, tmp_path):
    encoder = repository / "examples/quickstart/encoder"
    write_roberta(read_encoder(encoder), tmp_path / "encoder.pt")
    for source, message in (
        (tmp_path / "encoder.pt", "encoder.pt: was not trained with --task multilingual_denoising_mt"),
        (encoder, "examples/quickstart/encoder: is a directory; give a checkpoint"),
    ):
        for write in (export, export_huggingface):
            with pytest.raises(InputError, match=message):
                write(source, tmp_path / "out")


def test_a_checkpoint_that_was_pruned_before_its_training(checkpoint, tmp_path):
    """With fairseq's --encoder-layers-to-keep, a pruned checkpoint keeps the options of the whole model."""
    state = torch.load(checkpoint, weights_only=True)
    for half, kept in (("encoder", 1), ("decoder", 3)):
        layers = {name: value for name, value in state["model"].items() if name.startswith(f"{half}.layers.")}
        dropped = [name for name in layers if int(name.split(".")[2]) >= kept]
        state["model"] = {name: value for name, value in state["model"].items() if name not in dropped}
    torch.save(state, tmp_path / "pruned.pt")
    for write in (export, export_huggingface):
        with pytest.raises(
            InputError, match=r"has 1 encoder layers, but its options specify 2: it was pruned by --encoder-layers"
        ):
            write(tmp_path / "pruned.pt", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_card_without_data(checkpoint):
    state = torch.load(checkpoint, weights_only=True)
    state["cfg"]["task"]["data"] = "/nowhere"
    card = model_card(state, "name", [], None)
    assert "data directory was missing" in card and "Not stated" in card and "license:" not in card


@pytest.mark.parametrize("text, expected", [("org/name", True), ("a/b/c", False), ("/abs/dir", False), ("dir", False)])
def test_names_on_the_hub(text, expected):
    assert is_name(text) is expected
