"""From transformers back to fairseq: the same weights, bit for bit."""

import json
import shutil
from unittest.mock import patch

import pytest
import torch
from safetensors.torch import load_file

from swcm_fairseq.errors import InputError
from swcm_fairseq.interop import convert
from swcm_fairseq.interop.hf_names import hf_name
from swcm_fairseq.interop.hf_read import write_checkpoint
from swcm_fairseq.models import XLMSWCMModel
from tests.commands import run
from tests.huggingface.conftest import LANGS, LAYOUTS, TRAIN, VERSIONS


def weights(path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["model"]


def differing(ours, theirs) -> list[str]:
    assert list(ours) == list(theirs)
    return [name for name, tensor in ours.items() if not torch.equal(tensor, theirs[name])]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_there_and_back(exports, checkpoint, tmp_path, layout):
    assert write_checkpoint(exports / layout / "export", tmp_path / "back") == list(LANGS)
    before = exports / layout / "checkpoint_last.pt"
    assert differing(weights(tmp_path / "back" / "model.pt"), weights(before if before.exists() else checkpoint)) == []


def test_it_generates_and_training_continues(exports, data_bin, sample_data, tmp_path):
    run(
        "python",
        "-m",
        "swcm_fairseq.interop.convert",
        exports / "paper/export",
        "--to",
        "model",
        "--output",
        tmp_path / "m",
    )
    each = json.loads((exports / "outputs.json").read_text("utf-8"))[1]
    options = {"source_lang": each["source"], "target_lang": each["target"], "beam": 5}
    for directory in (tmp_path / "m", exports / "paper/export"):  # both kinds of directories
        model = XLMSWCMModel.from_pretrained(str(directory))
        assert model.generate(each["texts"][:10], **options) == each["outputs"][:10]
    start = ("--finetune-from-model", tmp_path / "m/model.pt", "--save-dir", tmp_path / "run", "--lr", 0)
    run("fairseq-train", data_bin, *TRAIN, *start)
    assert differing(weights(tmp_path / "run/checkpoint_last.pt"), weights(tmp_path / "m/model.pt")) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_models_trained_in_transformers_are_converted_back(in_transformers, exports, tmp_path, version):
    done, written = in_transformers(version)
    assert done.returncode == 0, done.stdout[-2000:]
    for layout in ("paper", "tied"):
        write_checkpoint(written / layout, tmp_path / layout)
        back, trained = weights(tmp_path / layout / "model.pt"), load_file(written / layout / "model.safetensors")
        assert all(torch.equal(tensor, back[name]) for name, tensor in back.items() if hf_name(name) not in trained)
        shared = [name for name in back if hf_name(name) in trained]
        assert shared and all(torch.equal(back[name], trained[hf_name(name)]) for name in shared)
        write_checkpoint(written / f"{layout}-merged", tmp_path / f"{layout}-merged")
        write_checkpoint(exports / layout / "export", tmp_path / f"{layout}-lora", written / f"{layout}-lora")
        merged = (weights(tmp_path / f"{layout}-{kind}/model.pt") for kind in ("merged", "lora"))
        assert differing(*merged) == []
    with pytest.raises(InputError, match="a LoRA adapter for another model"):
        write_checkpoint(exports / "separate/export", tmp_path / "other", written / "paper-lora")


def test_bad_directories_are_one_line(exports, data_bin, tmp_path):
    with pytest.raises(InputError, match=r"config.json: No such file"):
        write_checkpoint(tmp_path / "nothing", tmp_path / "out")
    for another in (tmp_path, data_bin):
        with pytest.raises(
            InputError, match="not a model exported for transformers; give a directory written by swcm export"
        ):
            write_checkpoint(another, tmp_path / "out")
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(InputError, match="not a model exported for transformers"):
        write_checkpoint(tmp_path, tmp_path / "out")
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"peft_type": "IA3"}')
    with pytest.raises(InputError, match=r"a LoRA adapter without its model; .*--lora"):
        write_checkpoint(adapter, tmp_path / "out")
    with pytest.raises(InputError, match="an adapter of type IA3; only LoRA"):
        write_checkpoint(exports / "paper/export", tmp_path / "out", adapter)
    cut = shutil.copytree(exports / "paper/export", tmp_path / "cut")
    (cut / "model.safetensors").write_bytes((cut / "model.safetensors").read_bytes()[:1000])
    with pytest.raises(InputError, match="truncated"):
        write_checkpoint(cut, tmp_path / "out")
    with pytest.raises(InputError, match="--lora applies only to a whole model"):
        run_convert("--lora", adapter)
    assert not (tmp_path / "out").exists()


def run_convert(*options: object) -> None:
    """Run the command's function, so that its error can be caught."""
    with patch("sys.argv", ["convert", "source", "--output", "out", *map(str, options)]):
        convert.main()
