"""--arch xlm_swcm: sizes that are not given follow the checkpoint or encoder that the model starts from."""

import json
import shutil
from pathlib import Path

import pytest
import torch

from swcm_fairseq.errors import InputError, input_error
from tests.models.test_command_lines import TASK, XLMR, data, generate, run, train  # noqa: F401
from tests.models.test_configuration import command_line, dataclass

BERT = XLMR.with_name("bert")
SIZES = {
    "encoder_layers": 2,
    "encoder_embed_dim": 16,
    "encoder_ffn_embed_dim": 32,
    "encoder_attention_heads": 2,
    "max_source_positions": 40,
    "max_target_positions": 40,
    "activation_fn": "gelu",
}
TRAIN = [
    *TASK, "--arch", "xlm_swcm", "--criterion", "cross_entropy", "--optimizer", "adam", "--lr", "0.001",
    "--batch-size", "4", "--required-batch-size-multiple", "1", "--no-progress-bar", "--num-workers", "0",
    "--disable-validation", "--no-epoch-checkpoints",
]  # fmt: skip


def sizes(options: dict) -> dict:
    return {name: options[name] for name in SIZES}


def one_line(error: pytest.ExceptionInfo) -> str:
    """The line shown on the terminal."""
    found = input_error(error.value)
    assert found is not None
    return str(found)


@pytest.mark.parametrize("encoder", [XLMR, BERT])
def test_sizes_follow_the_encoder(encoder):
    assert sizes(command_line("xlm_swcm", "--pretrained-encoder", str(encoder))) == SIZES


def test_positions_are_bounded_by_the_base_models(tmp_path):
    encoder = Path(shutil.copytree(XLMR, tmp_path / "encoder"))
    config = json.loads((encoder / "config.json").read_text())
    for rows, expected in ((4098, (512, 256)), (302, (300, 256)), (102, (100, 100))):
        (encoder / "config.json").write_text(json.dumps({**config, "max_position_embeddings": rows}))
        options = command_line("xlm_swcm", "--pretrained-encoder", str(encoder))
        assert (options["max_source_positions"], options["max_target_positions"]) == expected


def test_given_sizes_are_kept():
    given = ["--max-target-positions", "24", "--encoder-layers", "7", "--activation-fn", "relu"]
    options = command_line("xlm_swcm", "--pretrained-encoder", str(XLMR), *given)
    assert sizes(options) == {**SIZES, "max_target_positions": 24, "encoder_layers": 7, "activation_fn": "relu"}


def test_without_an_encoder_they_are_the_base_models():
    assert sizes(command_line("xlm_swcm")) == sizes(dataclass("xlm_swcm_base"))


@pytest.mark.parametrize("name", ["xlm_swcm_base", "xlm_swcm_tiny"])
def test_named_sizes_are_fixed(name):
    assert sizes(command_line(name, "--pretrained-encoder", str(XLMR))) == sizes(dataclass(name))


def test_flags_are_still_numbers(capsys):
    for flag, value in (("--encoder-layers", "four"), ("--activation-fn", "sine")):
        with pytest.raises(SystemExit):
            command_line("xlm_swcm", flag, value)
        assert f"argument {flag}: invalid" in capsys.readouterr().err


def test_no_such_encoder_is_one_line(tmp_path):
    with pytest.raises(Exception, match="no such encoder") as caught:
        command_line("xlm_swcm", "--pretrained-encoder", str(tmp_path / "nothing"))
    assert one_line(caught).startswith(f"{tmp_path / 'nothing'}: no such encoder")


def test_another_size_is_one_line_with_every_flag(data, tmp_path):  # noqa: F811
    arguments = [*TRAIN, "--arch", "xlm_swcm_tiny", "--pretrained-encoder", XLMR, "--save-dir", tmp_path]
    with pytest.raises(InputError) as caught:
        run(train, data, *arguments)
    expected = {
        "--encoder-layers 4; give 2", "--encoder-embed-dim 64; give 16", "--encoder-ffn-embed-dim 256; give 32",
        "--encoder-attention-heads 4; give 2", "--max-source-positions is 512; give at most 40",
        "--max-target-positions is 256; give at most 40",
    }  # fmt: skip
    assert all(part in str(caught.value) for part in expected)


def test_a_checkpoint_knows_them(data, tmp_path, capsys):  # noqa: F811
    """Resuming, fine-tuning and generating need neither the encoder nor its sizes."""
    encoder = Path(shutil.copytree(XLMR, tmp_path / "encoder"))
    from_encoder = [*TRAIN, "--pretrained-encoder", encoder, "--save-dir", tmp_path / "first"]
    with pytest.raises(InputError, match=r"--normal-layer-interval 3: give a number from 0 .* to 2"):
        run(train, data, *from_encoder)
    interval = ["--normal-layer-interval", "2"]
    run(train, data, *from_encoder, *interval, "--max-update", "2")
    shutil.rmtree(encoder)
    run(train, data, *from_encoder, *interval, "--max-update", "3")
    first = tmp_path / "first/checkpoint_last.pt"
    finetuned = ["--finetune-from-model", first, "--save-dir", tmp_path / "second"]
    run(train, data, *TRAIN, *interval, *finetuned, "--max-update", "1")
    for path, updates in ((first, 3), (tmp_path / "second/checkpoint_last.pt", 1)):
        state = torch.load(path, weights_only=True)
        assert sizes(state["cfg"]["model"]) == SIZES
        assert state["optimizer_history"][-1]["num_updates"] == updates
    first.unlink()
    capsys.readouterr()
    arguments = ["--path", tmp_path / "second/checkpoint_last.pt", "--gen-subset", "test", "--batch-size", "40"]
    run(generate, data, *TASK, *arguments, "--beam", "1")
    assert "H-0\t" in capsys.readouterr().out


def test_hydra_follows_too():
    """The registered dataclass in fairseq's whole configuration, as in fairseq-hydra-train."""
    assert sizes(dataclass("xlm_swcm", pretrained_encoder=str(XLMR))) == SIZES
    assert sizes(dataclass("xlm_swcm", pretrained_encoder=str(XLMR), encoder_layers=5))["encoder_layers"] == 5
