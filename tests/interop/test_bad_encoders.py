"""Every bad encoder is reported in one line that says what is wrong, where, and how to fix it."""

import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from swcm_fairseq.errors import InputError


def change_tensors(directory, change):
    tensors = load_file(directory / "model.safetensors")
    change(tensors)
    save_file(tensors, directory / "model.safetensors")


def change_config(directory, **values):
    path = directory / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))


def no_tensor(directory):
    change_tensors(directory, lambda t: t.pop("roberta.encoder.layer.1.attention.self.key.bias"))


def other_shape(directory):
    name = "roberta.encoder.layer.1.intermediate.dense.weight"
    change_tensors(directory, lambda t: t.update({name: t[name][:-1].contiguous()}))


def unplaced(directory):
    change_tensors(directory, lambda t: t.update({"roberta.encoder.layer.0.adapter.weight": torch.zeros(2)}))


def cut_off(directory):
    path = directory / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-100])


def code(directory):
    class Payload:
        def __reduce__(self):
            return print, ("this must never be printed",)

    (directory / "model.safetensors").unlink()
    (directory / "pytorch_model.bin").write_bytes(pickle.dumps(Payload(), protocol=2))
    torch.save({"weight": Payload()}, directory / "pytorch_model.bin")


def no_weights(directory):
    (directory / "model.safetensors").unlink()


def no_shard(directory):
    (directory / "model.safetensors").unlink()
    (directory / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "model-1.safetensors"}}))


def no_vocabulary(directory):
    (directory / "sentencepiece.bpe.model").unlink()


def larger_vocabulary(directory):
    (directory / "dict.txt").write_text("".join(f"w{i} 1\n" for i in range(200)))


def no_layers(directory):
    change_config(directory, num_hidden_layers=0)
    change_tensors(directory, lambda t: [t.pop(name) for name in list(t) if ".layer." in name])


def broken_config(directory):
    (directory / "config.json").write_text("{")


BAD = [
    (no_tensor, r"tensor encoder\.layer\.1\.attention\.self\.key\.bias is missing"),
    (
        other_shape,
        r"layer\.1\.intermediate\.dense\.weight has the shape \[31, 16\], but layers\.1\.fc1\.weight .* \[32, 16\]",
    ),
    (unplaced, r"tensor encoder\.layer\.0\.adapter\.weight does not belong to an encoder"),
    (cut_off, r"model\.safetensors: not a readable safetensors file"),
    (code, r"pytorch_model\.bin: refused: it would run code \(print\); use a safetensors file"),
    (no_weights, r"neither model\.safetensors nor pytorch_model\.bin"),
    (no_shard, r"lists the shard model-1\.safetensors, which is missing"),
    (no_vocabulary, r"no vocabulary"),
    (larger_vocabulary, r"205 symbols for 152 embedding rows"),
    (no_layers, r"no layers\.0\.fc1\.weight"),
    (broken_config, r"config\.json: not JSON"),
    (lambda d: change_config(d, model_type="t5"), r"config\.json: model_type 't5' is not supported"),
    (lambda d: change_config(d, hidden_act="silu"), r"hidden_act 'silu' is not supported"),
    (lambda d: change_config(d, num_attention_heads=4), r"the encoder has 4, .*--encoder-attention-heads 2; give 4"),
    (lambda d: change_config(d, num_hidden_layers=3), r"tensor encoder\.layer\.2\..* is missing"),
]


@pytest.mark.parametrize(("damage", "message"), BAD)
def test_one_line(fixture_copy, start, capsys, damage, message):
    directory = fixture_copy("xlmr")
    damage(directory)
    with pytest.raises(InputError, match=message) as error:
        start(directory)
    assert "\n" not in str(error.value)
    assert capsys.readouterr().out == ""


OTHER_SIZES = [
    ({"encoder_embed_dim": 32}, r"the encoder has 16, .*--encoder-embed-dim 32; give 16"),
    ({"encoder_ffn_embed_dim": 64}, r"--encoder-ffn-embed-dim 64; give 32"),
    ({"encoder_layers": 3}, r"the encoder has 2, .*--encoder-layers 3; give 2"),
    ({"max_source_positions": 41}, r"the encoder has 40 positions, but --max-source-positions is 41"),
    ({"max_target_positions": 512}, r"the encoder has 40 positions, but --max-target-positions is 512"),
    ({"activation_fn": "relu"}, r"the encoder has gelu, .*--activation-fn relu"),
]


@pytest.mark.parametrize(("options", "message"), OTHER_SIZES)
def test_other_architecture(fixture_copy, start, options, message):
    with pytest.raises(InputError, match=message):
        start(fixture_copy("xlmr"), **options)


def test_nothing_there(start, tmp_path):
    with pytest.raises(InputError, match="no such encoder"):
        start(tmp_path / "nothing")


def test_not_a_checkpoint(start, tmp_path):
    torch.save({"weights": 1}, tmp_path / "x.pt")
    with pytest.raises(InputError, match="not a fairseq checkpoint"):
        start(tmp_path / "x.pt")


# One file for each kind of failure of torch's reader: unpickling, end of file, key, index, zip, text.
OTHER_FILES = [
    b"import torch\n",
    b"not a checkpoint",
    b"",
    b"hello world this is text\n",
    b"\x80\x02garbage",
    b"a",
    b"PK\x03\x04 cut off",
    bytes(range(256)),
]


@pytest.mark.parametrize("content", OTHER_FILES)
def test_not_a_torch_file(start, tmp_path, content):
    (tmp_path / "wrong.py").write_bytes(content)
    with pytest.raises(InputError, match=r"wrong\.py: not a checkpoint, or a damaged one") as caught:
        start(tmp_path / "wrong.py")
    assert "weights_only" not in str(caught.value)
