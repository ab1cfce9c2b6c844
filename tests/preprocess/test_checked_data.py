"""Values from JSON, YAML, checkpoints and data directories are checked in one place."""

import json
import struct
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from preprocess import binarize, stats
from swcm_fairseq.checked_data import checked, parse_json, parse_yaml
from swcm_fairseq.data.corpora import CORPORA_FILE, Corpora
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.read import read_encoder
from swcm_fairseq.scoring.evaluation import Evaluation
from tests.preprocess.conftest import sentences, write_lines

EVALUATION = {
    "language": "bo",
    "segments": 3,
    "systems": [{"name": "a", "values": {"BLEU": {"score": 1, "interval": None, "p_value": 0.5}}, "empty": 0}],
}
BILLION = "\n".join(["a0: &a0 [x, x]", *(f"a{i}: &a{i} [*a{i - 1}, *a{i - 1}]" for i in range(1, 40))])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 100_000, "x: this JSON cannot be read, because it is nested too deeply"),
        ("9" * 5000, "x: the number '9999.* is too large"),
        ("10000000000000000000", "x: the number '1000.*' is too large"),
        ("NaN", "x: 'NaN' is not a finite number"),
        ("[1, -Infinity]", "x: '-Infinity' is not a finite number"),
        ("1e999", "x: '1e999' is not a finite number"),
        ('{"a":\n1', "x: not JSON: .*line 2"),
    ],
)
def test_invalid_json(text, message):
    with pytest.raises(InputError, match=f"^{message}"):
        parse_json(text, "x")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (BILLION, "x:.*its aliases expand to too many values"),
        ("&a [*a]", "x:1: not YAML: its aliases expand to too many values"),
        ("[" * 5000, "x: this YAML cannot be read, because it is nested too deeply"),
        ("a: 1\na: 2", "x:2: not YAML: the key 'a' occurs twice"),
        ("a: 2024-02-30", "x:1: not YAML: '2024-02-30' is not a valid value; if it is text, put it in quotes"),
        ("a: .inf", "x:1: not YAML: '.inf' is too large or not a finite number"),
        ("a: \x07", r"x: not YAML: the character U\+0007 is not allowed"),
    ],
)
def test_invalid_yaml(text, message):
    with pytest.raises(InputError, match=f"^{message}"):
        parse_yaml(text, "x")


def test_aliases_are_welcome():
    assert parse_yaml("a: &x {b: 1}\nc: *x", "x") == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"segments": "many"}, "x: segments: 'many' is not a whole number"),
        ({"segments": True}, "x: segments: true is not a whole number"),
        ({"systems": {}}, "x: systems: {} is not a list"),
        ({"systems": [3]}, r"x: systems\[0\]: 3 is not a mapping with the keys name, values"),
        ({"systems": [{"name": "a", "values": {"BLEU": {"score": "1"}}}]}, "BLEU: score: '1' is not a number"),
        (
            {"systems": [{"name": "a", "values": {"BLEU": {}}}]},
            r"x: systems\[0\]: values.BLEU: the key 'score' is missing",
        ),
        ({"sign": 1}, "x: unknown key 'sign'; known keys are language, segments"),
    ],
)
def test_wrong_values_are_named_with_their_key(change, message):
    with pytest.raises(InputError, match=message):
        checked({**EVALUATION, **change}, Evaluation, "x")


def test_a_valid_value_is_returned_as_its_type():
    evaluation = checked(EVALUATION, Evaluation, "x")
    assert isinstance(evaluation, Evaluation) and evaluation.systems[0].values["BLEU"].score == 1.0


CONFIG = [
    ({"num_hidden_layers": 10_000_000}, "num_hidden_layers: 10000000 is impossible for an encoder"),
    ({"num_hidden_layers": "2"}, "num_hidden_layers: '2' is not a whole number"),
    ({"num_attention_heads": None}, "num_attention_heads: null is not a whole number"),
    ({"layer_norm_eps": [1]}, "layer_norm_eps: .* is not a number"),
    ({"hidden_act": {}}, "hidden_act: {} is not text"),
    ({"model_type": ["bert"]}, "model_type .* is not supported"),
]


@pytest.fixture
def encoder(repository, tmp_path):
    import shutil

    return Path(shutil.copytree(repository / "tests/interop/fixtures/xlmr", tmp_path / "encoder"))


@pytest.mark.parametrize(("change", "message"), CONFIG)
def test_configurations_of_no_encoder(encoder, change, message):
    path = encoder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=f"config.json: {message}"):
        read_encoder(encoder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"model": {"vocab": {"a": 10**13}}}, "has no ids or impossible ones"),
        ({"model": {"vocab": {"a": -1}}}, "has no ids or impossible ones"),
        ({"model": {"vocab": 3}}, "model: vocab: 3 is not a mapping or a list"),
        ({"model": []}, "model: .* is not a mapping"),
        (
            {"model": {"vocab": {"a": 1}}, "added_tokens": [{"id": "1"}]},
            r"added_tokens\[0\]: id: '1' is not a whole number",
        ),
    ],
)
def test_tokenizers_of_no_encoder(encoder, content, message):
    (encoder / "sentencepiece.bpe.model").unlink()
    (encoder / "tokenizer.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=f"tokenizer.json: {message}"):
        read_encoder(encoder)


def test_an_encoder_that_has_diverged_or_is_damaged(encoder):
    whole = load_file(encoder / "model.safetensors")
    name = "roberta.encoder.layer.1.intermediate.dense.weight"
    for change, message in (
        ({name: torch.full_like(whole[name], torch.nan)}, "contains NaN or infinite values"),
        (
            {name: whole[name][:-1].contiguous()},
            r"has the shape \[31, 16\], but an encoder of this size needs \[32, 16\] for layers.1.fc1.weight",
        ),
        ({name: whole[name].to(torch.int64)}, "contains integers"),
    ):
        save_file(whole | change, encoder / "model.safetensors")
        with pytest.raises(InputError, match=message):
            read_encoder(encoder).check_whole()


def test_checkpoints_with_odd_parts(tmp_path):
    tensor = torch.zeros(4, 2)
    model = {"encoder.embed_tokens.weight": tensor, "encoder.embed_positions.weight": tensor}
    state = {"model": model, "args": None, "cfg": {"model": {"encoder_attention_heads": 2}}}
    for change in (
        *({"model": 3}, {"model": {"encoder.embed_tokens.weight": "x"}}, {"model": {1: tensor}}, {"cfg": 3}),
        *({"args": "x"}, {"task_state": []}, {"task_state": {"symbols": 5}}, {"cfg": {"model": {}}}),
        {"cfg": {"model": {"encoder_attention_heads": 10**9}}},
    ):
        torch.save({**state, **change}, tmp_path / "x.pt")
        with pytest.raises(InputError, match=r"x\.pt: (not a fairseq checkpoint|its options lack|its dictionary)"):
            read_encoder(tmp_path / "x.pt")


@pytest.fixture
def data_bin(texts, vocabulary_dir, tmp_path):
    binarize.main(
        f"--vocab {vocabulary_dir} --output {tmp_path}/bin --mono bo:train={texts['bo']} zh:train={texts['zh']} "
        f"--pair zh-bo:train={texts['zh']},{texts['bo']}".split()
    )
    return tmp_path / "bin"


def test_data_files_that_do_not_agree_are_refused(data_bin):
    index, data = data_bin / "bo/train.idx", data_bin / "bo/train.bin"
    whole, tokens = index.read_bytes(), data.read_bytes()
    entries = struct.unpack("<Q", whole[18:26])[0]
    sizes, places = whole[26 : 26 + 4 * entries], whole[26 + 4 * entries :]
    first, second = struct.unpack("<2i", sizes[:8])
    moved = struct.pack("<2i", first + 1, second - 1) + sizes[8:]
    places_moved = places[:8] + struct.pack("<q", 2 * first + 2) + places[16:]
    damaged = (
        (whole[:9] + struct.pack("<Q", 7) + whole[17:], "version 7"),
        (whole[:17] + bytes([99]) + whole[18:], "id type 99"),
        (whole[:17] + bytes([6]) + whole[18:], "id type 6"),
        (whole[:26] + sizes + places[8:] + places[:8], "offsets of its samples do not match their sizes"),
        (whole[:26] + moved + places, "offsets of its samples do not match"),
        (whole[:26] + moved + places_moved, "does not match the checksum in corpora"),
        (whole[:26] + struct.pack("<i", -1) + sizes[4:] + places, "offsets of its samples do not match"),
        (whole[:-8], "bytes instead of"),
        ((data_bin / "zh/train.idx").read_bytes(), "its index says|does not match the checksum in corpora.json"),
    )
    for content, message in damaged:
        index.write_bytes(content)
        with pytest.raises(InputError, match=message):
            stats.main([str(data_bin)])
    index.write_bytes(whole)
    data.write_bytes(tokens[2:] + tokens[:2])
    with pytest.raises(InputError, match="does not match the checksum in corpora"):
        stats.main([str(data_bin)])
    data.write_bytes(tokens)
    stats.main([str(data_bin)])


def test_every_wrong_type_in_corpora_json_is_one_line(data_bin):
    path = data_bin / CORPORA_FILE
    content = json.loads(path.read_text())
    count = 0
    for places in _places(content):
        for value in ([], {"a": 1}, 1.5, None, True, "text", 7):
            changed = json.loads(json.dumps(content))
            part = changed
            for key in places[:-1]:
                part = part[key]
            if type(part[places[-1]]) is type(value):
                continue
            part[places[-1]] = value
            path.write_text(json.dumps(changed))
            try:
                Corpora.read(data_bin)
            except InputError as error:
                assert str(path) in str(error) and "Error" not in str(error).replace(str(path), "")
                count += 1
    assert count > 200


def _places(content, above=()):
    for key, value in content.items() if isinstance(content, dict) else enumerate(content):
        yield (*above, key)
        if isinstance(value, dict | list):
            yield from _places(value, (*above, key))


def test_pairs_are_not_named_like_text(vocabulary_dir, tmp_path):
    text = write_lines(tmp_path / "text", sentences("bo", 3))
    for name in ("bo", "zh"):
        with pytest.raises(InputError, match="is a language code, the name of its text"):
            binarize.main(
                f"--vocab {vocabulary_dir} --output {tmp_path}/b --pair bo-bo:{name}:train={text},{text}".split()
            )
