"""A checkpoint of another architecture is refused before it overwrites anything."""

import copy
import re

import pytest

from swcm_fairseq.errors import InputError


@pytest.mark.parametrize(
    ("trained", "given", "names", "fix"),
    [
        (
            {"output_matrix": "own"},
            {},
            "encoder.embed_tokens.weight and decoder.output_projection.weight differ",
            "add --output-matrix own",
        ),
        (
            {"separate_embeddings": True},
            {},
            "encoder.embed_tokens.weight and decoder.embed_tokens.weight differ",
            "add --separate-embeddings",
        ),
        ({}, {"tie_ffn": True}, "encoder.layers.0.fc1.weight and decoder.layers.0.fc1.weight differ", "--tie-ffn"),
        ({}, {"tie_self_attention": True}, "encoder.layers.0.self_attn.k_proj.weight and", "--tie-self-attention"),
    ],
)
@pytest.mark.parametrize("half", [False, True])
def test_untied_weights_are_not_overwritten(build, trained, given, names, fix, half):
    checkpoint = build(**trained)
    state = (checkpoint.half() if half else checkpoint).state_dict()
    model = build(seed=1, **given)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(InputError, match=f"{re.escape(names)}.*{re.escape(fix)}"):
        model.load_state_dict(dict(state))
    assert all(tensor.equal(before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("options", [{}, {"tie_ffn": True, "tie_self_attention": True}, {"output_matrix": "own"}])
def test_averaged_and_half_checkpoints_are_accepted(build, options):
    one, two = (build(seed=seed, **options).state_dict() for seed in (1, 2))
    average = {name: (tensor + two[name]) / 2 for name, tensor in one.items()}
    model = build(**options)
    model.load_state_dict(dict(average))
    assert all(tensor.equal(average[name]) for name, tensor in model.state_dict().items())
    build(seed=3, **options).load_state_dict(model.half().state_dict())


@pytest.mark.parametrize(
    ("trained", "message"),
    [
        ({"encoder_layers": 2}, "encoder.layers.2.* is missing from the checkpoint.*--encoder-layers"),
        (
            {"encoder_layers": 4},
            "the tensor .*layers.* of the checkpoint does not belong to this architecture.*--encoder-layers",
        ),
        ({"encoder_ffn_embed_dim": 48}, r"fc1.weight has the shape \[48, 16\] in .* and \[32, 16\] here.*ffn-embed"),
        ({"max_target_positions": 48}, r"decoder.embed_positions.weight has the shape .*--max-target-positions"),
        ({"plain_decoder": True}, "is missing from the checkpoint; give the flags"),
    ],
)
def test_another_architecture_is_one_line(build, trained, message):
    model = build(seed=1)
    before = copy.deepcopy(model.state_dict())
    with pytest.raises(InputError, match=message):
        model.load_state_dict(dict(build(**trained).state_dict()))
    assert all(tensor.equal(before[name]) for name, tensor in model.state_dict().items())


def test_checks_survive_a_copy_of_the_model(build):
    """fairseq's moving average of weights makes a deep copy of the model."""
    with pytest.raises(InputError, match="is missing"):
        copy.deepcopy(build()).load_state_dict(dict(build(encoder_layers=2).state_dict()))
