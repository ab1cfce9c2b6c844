"""A merged checkpoint works like any other: it can generate, be exported, and be trained further."""

import pytest
import torch

from swcm_fairseq.export import export
from swcm_fairseq.models import XLMSWCMModel
from tests.commands import run
from tests.hub.conftest import TRAIN

GENERATE = {"source_lang": "zh", "target_lang": "bo", "beam": 2, "max_len_b": 10}


def merge(*arguments) -> None:
    run("python", "-m", "swcm_fairseq.merge", *arguments)


@pytest.fixture(scope="module")
def models(checkpoint, tmp_path_factory):
    """Two models that have learned different things since ``checkpoint``."""
    root = tmp_path_factory.mktemp("merged")
    for seed in (1, 2):
        state = torch.load(checkpoint, weights_only=True)
        generator = torch.Generator().manual_seed(seed)
        for tensor in {tensor.data_ptr(): tensor for tensor in state["model"].values()}.values():
            if tensor.dim():  # not the epsilon
                tensor += 0.2 * torch.randn(tensor.shape, generator=generator)
        torch.save(state, root / f"{seed}.pt")
    return root / "1.pt", root / "2.pt"


@pytest.fixture(scope="module")
def merged(models, checkpoint):
    output = models[0].with_name("ties.pt")
    merge(*models, "--method", "ties", "--base", checkpoint, "--densities", "0.2,1", "--output", output)
    return output


def test_its_outputs_differ_from_both_models(merged, models, data_bin, texts):
    outputs = [
        XLMSWCMModel.from_pretrained(str(path.parent), path.name, str(data_bin)).generate(texts[:8], **GENERATE)
        for path in (merged, *models)
    ]
    assert len({tuple(each) for each in outputs}) == 3


def test_fairseq_generate_reads_it(merged, data_bin, tmp_path):
    run("fairseq-generate", data_bin, "--user-dir", "swcm_fairseq", "--task", "multilingual_denoising_mt", "--path",
        merged, "--source-lang", "zh", "--target-lang", "bo", "--gen-subset", "test", "--cpu", "--beam", 1,
        "--max-len-b", 5, "--num-workers", 0, "--results-path", tmp_path)  # fmt: skip
    assert "H-0\t" in (tmp_path / "generate-test.txt").read_text("utf-8")


def test_it_can_be_exported_and_trained_further(merged, data_bin, tmp_path):
    assert export(merged, tmp_path / "exported", data_bin) == ["bo", "kk", "mn", "ug", "zh"]
    start = ("--finetune-from-model", merged)
    run("fairseq-train", data_bin, *TRAIN, "--save-dir", tmp_path / "new", *start, "--max-update", 2, "--lr", 0)
    weights = torch.load(tmp_path / "new/checkpoint_last.pt", weights_only=True)["model"]
    expected = torch.load(tmp_path / "exported/model.pt", weights_only=True)["model"]
    assert [name for name, tensor in expected.items() if not torch.equal(weights[name], tensor)] == []


def test_exported_directories_are_merged_into_a_directory(models, data_bin, tmp_path, texts):
    for number, path in enumerate(models):
        export(path, tmp_path / str(number), data_bin)
    merge(tmp_path / "0", tmp_path / "1", "--method", "average", "--output", tmp_path / "out")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "dict.txt", "model.pt", "sentencepiece.bpe.model",
    ]  # fmt: skip
    assert len(XLMSWCMModel.from_pretrained(str(tmp_path / "out")).generate(texts[:2], **GENERATE)) == 2
