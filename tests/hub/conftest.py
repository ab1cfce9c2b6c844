"""A small trained model with its data directory."""

from pathlib import Path

import pytest
import torch

from swcm_fairseq.models import XLMSWCMModel
from tests.commands import run

POSITIONS = 48
TRAIN = (
    *("--task", "multilingual_denoising_mt", "--arch", "xlm_swcm", "--criterion", "swcm_cross_entropy"),
    *("--encoder-layers", 2, "--encoder-embed-dim", 16, "--encoder-ffn-embed-dim", 32, "--encoder-attention-heads", 2),
    *("--normal-layer-interval", 2),
    *("--max-source-positions", POSITIONS, "--max-target-positions", POSITIONS, "--tokens-per-sample", POSITIONS),
    *("--optimizer", "adam", "--lr", "1e-3", "--batch-size", 8, "--max-update", 1, "--cpu", "--num-workers", 0),
    *("--disable-validation", "--no-epoch-checkpoints", "--no-progress-bar"),
)


@pytest.fixture(scope="session")
def data_bin(tmp_path_factory, sample_data) -> Path:
    """Chinese-Tibetan pairs and their vocabulary."""
    root = tmp_path_factory.mktemp("hub-data")
    langs, splits = ("zh", "bo"), ("train", "test")
    sides = {split: [str(sample_data / f"zh-bo.{split}.{lang}") for lang in langs] for split in splits}
    inputs = [f"{lang}={path}" for lang, path in zip(langs, sides["train"], strict=True)]
    run("python", "-m", "preprocess.vocab", "--input", *inputs, "--size", 1500, "--output", root / "vocab")
    pairs = [part for split, files in sides.items() for part in ("--pair", f"zh-bo:{split}={','.join(files)}")]
    run("python", "-m", "preprocess.binarize", "--vocab", root / "vocab", "--output", root / "data-bin", *pairs)
    return root / "data-bin"


def train(data_bin: Path, save_dir: Path, *options: object) -> Path:
    """Train for one update; return the checkpoint, with new random weights so large that texts and beams differ."""
    run("fairseq-train", data_bin, *TRAIN, "--save-dir", save_dir, *options)
    path = save_dir / "checkpoint_last.pt"
    state = torch.load(path, weights_only=True)
    generator = torch.Generator().manual_seed(1)
    for name, tensor in state["model"].items():
        if name.endswith((".weight", ".bias")):
            noise = torch.randn(tensor.shape, generator=generator)
            tensor.copy_(1 + 0.2 * noise if "norm" in name and name.endswith("weight") else 0.3 * noise)
    torch.save(state, path)
    return path


@pytest.fixture(scope="session")
def checkpoint(data_bin, tmp_path_factory) -> Path:
    return train(data_bin, tmp_path_factory.mktemp("hub-checkpoint"))


@pytest.fixture(scope="session")
def model(checkpoint, data_bin):
    return XLMSWCMModel.from_pretrained(str(checkpoint.parent), checkpoint.name, str(data_bin))


@pytest.fixture(scope="session")
def texts(sample_data) -> list[str]:
    """Chinese sentences of many lengths, unsorted; some are longer than the model's maximum."""
    return (sample_data / "zh-bo.test.zh").read_text("utf-8").splitlines()
