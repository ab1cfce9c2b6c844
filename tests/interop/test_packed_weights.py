"""Matrices with 4 bits per weight: exact if they come from this format, close otherwise, refused if damaged."""

import shutil
import sys
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from swcm_fairseq.errors import InputError
from swcm_fairseq.interop import convert
from swcm_fairseq.interop.encoder_files import CHECKSUMS
from swcm_fairseq.interop.encoder_source import as_directory
from swcm_fairseq.interop.packed_weights import BLOCK, CODES, SCALES, dequantize, pack, quantize, unpack
from swcm_fairseq.interop.read import read_encoder

FIXTURES = Path(__file__).with_name("fixtures")
SHIPPED = Path(__file__).parents[2] / "examples" / "quickstart" / "encoder"


def test_worked_example():
    """One block: the weight with the largest magnitude is -8 d, so d = 0.5; codes are w / 0.5 + 8."""
    weights = torch.zeros(1, BLOCK)
    weights[0, 0], weights[0, 1], weights[0, 16], weights[0, 17] = -4.0, 3.5, 0.5, -0.7
    codes, scales = quantize(weights)
    assert scales.tolist() == [[0.5]]
    assert codes[0, 0].item() == 0 | 9 << 4
    assert codes[0, 1].item() == 15 | 7 << 4
    assert codes[0, 2].item() == 8 | 8 << 4
    weights[0, 17] = -0.5
    assert torch.equal(dequantize(codes, scales), weights)


@given(seed=st.integers(0, 2**31), rows=st.integers(1, 5), blocks=st.integers(1, 4), scale=st.floats(1e-3, 1e2))
def test_round_trip(seed, rows, blocks, scale):
    generator = torch.Generator().manual_seed(seed)
    weights = torch.randn(rows, blocks * BLOCK, generator=generator) * scale
    weights[0, :BLOCK] = 0  # a block of zeros has scale 0
    once = dequantize(*quantize(weights))
    assert torch.equal(dequantize(*quantize(once)), once)
    largest = weights.unflatten(1, (-1, BLOCK)).abs().amax(2, keepdim=True)
    # The sign without a code 16 has errors of up to a whole step, 1/8 of the largest weight.
    assert ((once - weights).unflatten(1, (-1, BLOCK)).abs() <= largest / 8 * 1.01).all()


def test_only_matrices_of_whole_blocks_are_packed():
    tensors = {
        "a.weight": torch.randn(3, 64),
        "narrow.weight": torch.randn(3, 40),
        "a.bias": torch.randn(64),
        "embeddings.position_embeddings.weight": torch.randn(3, 64),
    }
    packed = pack(tensors)
    assert packed.keys() == tensors.keys() - {"a.weight"} | {"a.weight" + CODES, "a.weight" + SCALES}
    unpacked = unpack(packed, "file")
    assert unpacked.keys() == tensors.keys()
    assert torch.equal(unpacked["a.bias"], tensors["a.bias"])


def test_half_a_matrix_is_refused():
    packed = pack({"a.weight": torch.randn(3, 64)})
    for damaged in (
        {"a.weight" + CODES: packed["a.weight" + CODES]},
        {**packed, "a.weight" + SCALES: torch.ones(3, 1)},
    ):
        with pytest.raises(InputError, match=r"file: the packed matrix a\.weight is incomplete"):
            unpack(damaged, "file")


def test_a_packed_directory_is_an_encoder(tmp_path, monkeypatch):
    """The unpacked weights are packed again without any change."""
    out, again = tmp_path / "packed", tmp_path / "again"
    for source, target in ((FIXTURES / "xlmr", out), (out, again)):
        monkeypatch.setattr(sys, "argv", ["convert", str(source), "--to", "packed", "--output", str(target)])
        convert.main()
    assert (out / "model.safetensors").read_bytes() == (again / "model.safetensors").read_bytes()
    before, after = read_encoder(FIXTURES / "xlmr"), read_encoder(out)
    assert after.symbols == before.symbols
    for name, tensor in before.tensors.items():
        torch.testing.assert_close(after.tensors[name], tensor, rtol=0, atol=tensor.abs().max().item() / 7)


def test_the_shipped_encoder():
    encoder = read_encoder(SHIPPED)
    assert (encoder.layers, encoder.embed_dim, encoder.activation_fn) == (4, 384, "gelu")
    assert len(encoder.symbols) == encoder.tensors["embed_tokens.weight"].size(0) == 28_445
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) <= 12e6


@pytest.mark.parametrize("name", ["model.safetensors", "dict.txt"])
def test_a_damaged_shipped_encoder_is_refused(tmp_path, name):
    copy = tmp_path / "encoder"
    shutil.copytree(SHIPPED, copy)
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(content)
    with pytest.raises(InputError, match=f"{name}: damaged or missing .*{CHECKSUMS}"):
        read_encoder(copy)


def test_the_vocabulary_commands_verify_an_encoder_first(tmp_path):
    copy = tmp_path / "encoder"
    shutil.copytree(SHIPPED, copy)
    (copy / "sentencepiece.bpe.model").write_bytes(b"no model")
    with pytest.raises(InputError, match=r"sentencepiece.bpe.model: damaged or missing"), as_directory(copy):
        pass
