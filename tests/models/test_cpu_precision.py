"""--cpu-precision: which layers use fewer bits, how close the results are, and refused options."""

import copy

import pytest
import torch
from fairseq.sequence_generator import SequenceGenerator

from swcm_fairseq.errors import InputError
from swcm_fairseq.int8 import Int8Linear
from swcm_fairseq.models.cpu_precision import CPUPrecision, set_cpu_precision


@pytest.mark.parametrize("shape", [(20, 48), (1, 5, 48)])
def test_int8_product(shape):
    torch.manual_seed(0)
    linear, x = torch.nn.Linear(48, 32), torch.randn(*shape)
    with torch.no_grad():
        linear.weight[3] = 0.0  # like the row of padding
        expected, found = linear(x), Int8Linear(linear.weight, linear.bias)(x)
    assert found.shape == expected.shape
    assert (found - expected).norm() < 0.03 * expected.norm()


@pytest.fixture
def model(build):
    """A model whose scores are as far apart as those of a trained model."""
    model = build(encoder_embed_dim=64, encoder_ffn_embed_dim=128)
    with torch.no_grad():
        model.decoder.embed_tokens.weight.mul_(3)
    return model


def search(model, dictionary, batch):
    generator = SequenceGenerator([model], dictionary, beam_size=3, max_len_b=8)
    return generator.generate([model], {"net_input": dict(batch)})


@pytest.mark.parametrize(("precision", "agree"), [("bfloat16", 0.9), ("int8", 0.9)])
def test_agreement_with_float32(model, batch, dictionary, precision, agree):
    exact = copy.deepcopy(model)
    names = model.state_dict().keys()
    set_cpu_precision(model, CPUPrecision(precision))
    set_cpu_precision(model, CPUPrecision(precision))  # a second call changes nothing
    if precision == "bfloat16":
        assert model.state_dict().keys() == names
    with torch.no_grad():
        found, expected = model(**batch)[0].float(), exact(**batch)[0]
    assert (found - expected).norm() < 0.1 * expected.norm()
    assert (found.argmax(-1) == expected.argmax(-1)).float().mean() >= agree
    assert all(len(hypotheses) == 3 for hypotheses in search(model, dictionary, batch))


def test_int8_reaches_every_linear_layer(model):
    set_cpu_precision(model, CPUPrecision.int8)
    left = {name.rpartition(".")[2] for name, module in model.named_modules() if type(module) is torch.nn.Linear}
    assert left == {"q_proj", "k_proj", "v_proj"}  # their joint product is in int8; these serve attention weights
    assert isinstance(model.decoder.output_projection, Int8Linear)


def test_float32_is_unchanged(model, batch):
    before = model(**batch)[0]
    set_cpu_precision(model, CPUPrecision.float32)
    assert torch.equal(model(**batch)[0], before)


def test_bad_input_is_refused(model):
    with pytest.raises(InputError, match="--cpu-precision int9: choose float32, bfloat16, int8"):
        CPUPrecision.of("int9")
    for precision in (CPUPrecision.int8, CPUPrecision.bfloat16):
        with pytest.raises(InputError, match=f"--cpu-precision {precision.value}: the model is on a GPU; add --cpu"):
            set_cpu_precision(copy.deepcopy(model).to("meta"), precision)
    with pytest.raises(InputError, match="needs a model of this package"):
        set_cpu_precision(torch.nn.Linear(2, 2), CPUPrecision.int8)
