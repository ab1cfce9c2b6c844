"""The encoder computes the same last hidden states as Hugging Face's (non-padding positions, float32)."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

FIXTURES = Path(__file__).with_name("fixtures")
PAD = 1


def largest_difference(model, ids: torch.Tensor, expected: torch.Tensor) -> float:
    real = ids.ne(PAD)
    with torch.no_grad():
        out = model.encoder(ids)["encoder_out"][0].transpose(0, 1)
    return (out[real] - expected[real]).abs().max().item()


def expected(name: str) -> tuple[torch.Tensor, torch.Tensor]:
    arrays = np.load(FIXTURES / name / "expected.npz")
    return torch.from_numpy(arrays["input_ids"]), torch.from_numpy(arrays["last_hidden_state"])


@pytest.mark.parametrize("name", ["xlmr", "bert"])
@pytest.mark.parametrize("side", ["right", "left"])
def test_output_equals_transformers(start, name, side):
    ids, hidden = expected(name)
    assert ids.eq(PAD).any()
    model, _ = start(FIXTURES / name)
    if side == "left":  # fairseq's translation task pads sources on the left
        order = [torch.argsort(row.ne(PAD).int(), stable=True) for row in ids]
        ids, hidden = (torch.stack([row[o] for row, o in zip(rows, order, strict=True)]) for rows in (ids, hidden))
    assert largest_difference(model, ids, hidden) < 1e-5


def test_wrong_epsilon_would_show(start):
    ids, hidden = expected("bert")
    model, _ = start(FIXTURES / "bert")
    assert model.encoder.layer_norm_eps == 1e-12
    model.encoder.set_layer_norm_eps(1e-3)
    assert largest_difference(model, ids, hidden) > 1e-4


@pytest.fixture(params=["old bin", "safetensors shards", "bin shards", "roberta type", "no prefix"])
def layout(request, fixture_copy):
    """The xlmr fixture in other layouts of Hugging Face directories."""
    directory = fixture_copy("xlmr")
    tensors = load_file(directory / "model.safetensors")
    (directory / "model.safetensors").unlink()
    half = len(tensors) // 2
    shards = [dict(list(tensors.items())[:half]), dict(list(tensors.items())[half:])]
    if request.param == "old bin":  # like files of 2019 to 2021: buffers, a copy of the tied matrix, old torch format
        rows = tensors["roberta.embeddings.word_embeddings.weight"]
        tensors |= {"roberta.embeddings.position_ids": torch.arange(42)[None], "lm_head.decoder.weight": rows}
        torch.save(tensors, directory / "pytorch_model.bin", _use_new_zipfile_serialization=False)
    elif request.param.endswith("shards"):
        kind = "model-{}.safetensors" if request.param.startswith("safe") else "pytorch_model-{}.bin"
        names = [kind.format(i) for i in range(2)]
        for name, shard in zip(names, shards, strict=True):
            (save_file if name.endswith("safetensors") else torch.save)(shard, directory / name)
        index = {"weight_map": {key: names[i] for i, shard in enumerate(shards) for key in shard}}
        whole = "model.safetensors" if names[0].endswith("safetensors") else "pytorch_model.bin"
        (directory / f"{whole}.index.json").write_text(json.dumps(index))
    else:
        config = json.loads((directory / "config.json").read_text())
        if request.param == "roberta type":
            (directory / "config.json").write_text(json.dumps({**config, "model_type": "roberta"}))
        else:
            tensors = {key.removeprefix("roberta."): tensor for key, tensor in tensors.items()}
        save_file(tensors, directory / "model.safetensors")
    return directory


def test_other_layouts(start, layout):
    model, _ = start(layout)
    assert largest_difference(model, *expected("xlmr")) < 1e-5


def test_converted_directory(start, tmp_path):
    """Reading the converted directory gives the same encoder; BERT's layout is converted to XLM-R's."""
    from swcm_fairseq.interop.read import read_encoder
    from swcm_fairseq.interop.write import write_encoder

    for name, spare in (("xlmr", 0), ("bert", 5)):
        source = FIXTURES / name
        out = tmp_path / name
        assert write_encoder(read_encoder(source), out, source / "sentencepiece.bpe.model") == spare
        model, _ = start(out)
        assert largest_difference(model, *expected(name)) < 1e-5
