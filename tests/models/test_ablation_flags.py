"""Each ablation flag changes exactly the tensors that it should."""

from itertools import product

import pytest
import torch
from fairseq.data import Dictionary
from fairseq.models import MODEL_DATACLASS_REGISTRY
from omegaconf import OmegaConf

from swcm_fairseq.errors import InputError
from swcm_fairseq.models.inheritance import INHERITED_FROM, inherit
from swcm_fairseq.models.layer_plan import LayerKind
from swcm_fairseq.models.model import XLMSWCMModel
from swcm_fairseq.models.model_config import XLMSWCMConfig
from swcm_fairseq.models.warm_start import missing_weights

CINO_VOCABULARY = 135_359
SIZES = {  # docs/models.md
    "xlm_swcm_tiny": 9_379_200,
    "xlm_swcm_small": 125_622_912,
    "xlm_swcm_base": 397_522_176,
    "xlm_swcm_large": 1_180_703_744,
    "xlm_swcm_released": 492_026_112,
}


class CinoSized(Dictionary):
    def __len__(self):
        return CINO_VOCABULARY


@pytest.mark.parametrize("name", SIZES)
def test_parameter_counts(name):
    with torch.device("meta"):
        model = XLMSWCMModel.from_config(MODEL_DATACLASS_REGISTRY[name](), CinoSized())
    assert sum(parameter.numel() for parameter in model.parameters()) == SIZES[name]
    layers = len(model.decoder.layers)
    assert layers == {"xlm_swcm_tiny": 5, "xlm_swcm_large": 32, "xlm_swcm_released": 15}.get(name, 16)


ABLATIONS = [  # docs/models.md: options of the base model -> millions of parameters
    *zip(
        ({"normal_layer_interval": x} for x in range(7)), (359.7, 473.1, 416.4, 397.5, 388.1, 378.6, 378.6), strict=True
    ),
    ({"duplicate_inserted_layers": True}, 416.4),  # XLM-SWCM: 397.5
    ({"duplicate_inserted_layers": True, "tie_duplicates": True}, 359.7),  # as many as BASE-A, in 16 layers
    ({"random_inherited_layers": True}, 397.5),
    ({"plain_decoder": True}, 303.0),
    ({"tie_self_attention": True}, 369.2),
    ({"tie_ffn": True}, 284.2),
    ({"tie_self_attention": True, "tie_ffn": True}, 255.8),
    ({"separate_embeddings": True}, 501.5),
    ({"output_matrix": "own"}, 501.5),
    ({"decoder_ends_with": "inherited"}, 388.1),
]


@pytest.mark.parametrize(("options", "millions"), ABLATIONS)
def test_parameter_counts_of_ablations(options, millions):
    with torch.device("meta"):
        model = XLMSWCMModel.from_config(XLMSWCMConfig(**options), CinoSized())
    assert round(sum(parameter.numel() for parameter in model.parameters()) / 1e6, 1) == millions


def block_names(layer: int, blocks=INHERITED_FROM) -> set[str]:
    """Names of some blocks of an inherited decoder layer in the state dict."""
    linear = {"self_attn": "qkvo", "encoder_attn": "qkvo"}
    names = set()
    for block in blocks:
        inner = [f".{'out' if x == 'o' else x}_proj" for x in linear[block]] if block in linear else [""]
        names |= {f"decoder.layers.{layer}.{block}{x}.{part}" for x in inner for part in ("weight", "bias")}
    return names


def start(build, dictionary, **options) -> XLMSWCMModel:
    """A model whose decoder was started from its encoder; the encoder is the same for all options."""
    model = build(**options)
    generator = torch.Generator().manual_seed(9)
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    inherit(model.encoder, model.decoder, model.cfg)
    return model


def values_not_inherited(model: XLMSWCMModel) -> set[str]:
    """Parameters of inherited layers that differ from their source in the encoder."""
    different = set()
    for i, planned in enumerate(model.decoder.plan):
        if planned.encoder_layer is None:
            continue
        source = dict(model.encoder.layers[planned.encoder_layer].named_parameters())
        for name, parameter in model.decoder.layers[i].named_parameters():
            block = next(block for block in INHERITED_FROM if name.startswith(f"{block}."))
            if not torch.equal(parameter, source[INHERITED_FROM[block] + name.removeprefix(block)]):
                different.add(f"decoder.layers.{i}.{name}")
    return different


def tied_to_encoder(model: XLMSWCMModel) -> set[str]:
    encoder = {id(parameter) for parameter in model.encoder.layers.parameters()}
    return {
        f"decoder.layers.{name}"
        for name, parameter in model.decoder.layers.named_parameters(remove_duplicate=False)
        if id(parameter) in encoder
    }


# The decoder layers of the base model in these tests are inherit 0, inherit 1, normal, inherit 2.
INHERITED = (0, 1, 3)


def test_default(build, dictionary):
    model = start(build, dictionary)
    assert values_not_inherited(model) == set()
    assert tied_to_encoder(model) == set()
    assert model.decoder.embed_tokens.weight is model.encoder.embed_tokens.weight
    assert model.output_weight is model.encoder.embed_tokens.weight


def test_random_inherited_layers(build, dictionary):
    base, model = start(build, dictionary), start(build, dictionary, random_inherited_layers=True)
    assert base.state_dict().keys() == model.state_dict().keys()
    assert values_not_inherited(model) == set.union(*(block_names(i) for i in INHERITED))
    same = {name for name, tensor in model.state_dict().items() if torch.equal(tensor, base.state_dict()[name])}
    assert base.state_dict().keys() - same == values_not_inherited(model)


@pytest.mark.parametrize(
    ("options", "blocks"),
    [
        ({"tie_self_attention": True}, ["self_attn"]),
        ({"tie_ffn": True}, ["fc1", "fc2", "fc3", "fc4"]),
        ({"tie_self_attention": True, "tie_ffn": True}, ["self_attn", "fc1", "fc2", "fc3", "fc4"]),
    ],
)
def test_tying(build, dictionary, options, blocks):
    base, model = start(build, dictionary), start(build, dictionary, **options)
    assert base.state_dict().keys() == model.state_dict().keys()
    assert tied_to_encoder(model) == set.union(*(block_names(i, blocks) for i in INHERITED))
    assert values_not_inherited(model) == set()


def test_none_of_our_layouts_has_457_million_parameters():
    """The paper has 457M parameters in section 4.1 but 492M in Table 1. Which layout has 457M?

    The released layout, with 15 layers and a separate output matrix, has 492M. If self-attention and cross-attention
    shared their weights in all 15 layers, 457M would be left. No combination of this model's flags is within 2M of it.
    """
    width = XLMSWCMConfig().encoder_embed_dim
    attention = 4 * (width**2 + width)  # queries, keys, values, outputs, with biases
    released = layout_size(MODEL_DATACLASS_REGISTRY["xlm_swcm_released"]())
    assert released == SIZES["xlm_swcm_released"] and released - 15 * attention == 456_590_592
    switches = ("duplicate_inserted_layers", "tie_self_attention", "tie_ffn", "separate_embeddings")
    sizes = [
        layout_size(
            XLMSWCMConfig(
                normal_layer_interval=interval,
                decoder_ends_with=end,
                output_matrix=matrix,
                **dict(zip(switches, values, strict=True)),
            )
        )
        for interval, end, matrix, *values in product(
            range(13), ("inserted", "inherited"), ("tied", "own"), *[(False, True)] * len(switches)
        )
    ]
    assert min(abs(size - 457e6) for size in sizes) > 2e6


def layout_size(config: XLMSWCMConfig) -> int:
    """Number of parameters of a layout with CINO's vocabulary, computed arithmetically."""
    width, inner, plan = config.encoder_embed_dim, config.encoder_ffn_embed_dim, config.layer_plan()
    attention, norm = 4 * (width**2 + width), 2 * width
    ffn = 2 * width * inner + inner + width
    table = CINO_VOCABULARY * width
    shared = attention * config.tie_self_attention + 2 * ffn * config.tie_ffn
    layers = {LayerKind.NORMAL: 2 * attention + ffn + 3 * norm, LayerKind.DUPLICATE: 2 * attention + 2 * ffn + 4 * norm}
    layers[LayerKind.INHERITED] = layers[LayerKind.DUPLICATE] - shared
    positions = (config.max_source_positions + config.max_target_positions + 4) * width
    encoder = config.encoder_layers * (attention + ffn + 2 * norm)
    tables = 1 + config.separate_embeddings + (config.output_matrix == "own")
    return encoder + sum(layers[each.kind] for each in plan) + tables * table + positions + 2 * norm


@pytest.mark.parametrize(("options", "millions"), ABLATIONS)
def test_the_arithmetic_is_that_of_the_models(options, millions):
    if "tie_duplicates" not in options:
        assert round(layout_size(XLMSWCMConfig(**options)) / 1e6, 1) == millions


def test_tied_duplicates_are_the_layer_before(build, dictionary):
    model = start(build, dictionary, duplicate_inserted_layers=True, tie_duplicates=True)
    before, duplicate = (dict(model.decoder.layers[i].named_parameters()) for i in (1, 2))
    assert before.keys() == duplicate.keys()
    assert all(duplicate[name] is parameter for name, parameter in before.items())
    assert values_not_inherited(model) == set()
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state["decoder.layers.2.fc1.bias"] += 1
    with pytest.raises(InputError, match=r"decoder\.layers\.2\.fc1\.bias differ .* remove --tie-duplicates"):
        model.load_state_dict(state)
    with pytest.raises(InputError, match="--tie-duplicates needs --duplicate-inserted-layers"):
        XLMSWCMConfig(tie_duplicates=True).check()


def test_duplicated_layers_are_started_but_never_tied(build, dictionary):
    model = start(build, dictionary, duplicate_inserted_layers=True, tie_ffn=True)
    base = start(build, dictionary)
    assert model.decoder.plan[2].kind is LayerKind.DUPLICATE
    assert values_not_inherited(model) == set()
    changed = model.state_dict().keys() - base.state_dict().keys()
    assert changed == block_names(2, ["fc3", "fc4", "ffn1_layer_norm"])
    assert not any(name.startswith("decoder.layers.2.") for name in tied_to_encoder(model))


@pytest.mark.parametrize("interval", [0, 1, 2, 3])
def test_interval(build, dictionary, interval):
    model = start(build, dictionary, normal_layer_interval=interval)
    normal = [i for i, layer in enumerate(model.decoder.plan) if layer.kind is LayerKind.NORMAL]
    assert len(model.decoder.layers) == 3 + (3 // interval if interval else 0)
    without_ffn2 = [i for i, layer in enumerate(model.decoder.layers) if not hasattr(layer, "fc3")]
    assert without_ffn2 == normal


def test_plain_decoder(build, dictionary):
    model = start(build, dictionary, plain_decoder=True)
    assert len(model.decoder.layers) == 3
    assert not any("fc3" in name for name in model.state_dict())
    assert torch.equal(model.decoder.embed_positions.weight, model.encoder.embed_positions.weight)


def test_ends_with_inherited(build, dictionary):
    base = start(build, dictionary, normal_layer_interval=3)
    model = start(build, dictionary, normal_layer_interval=3, decoder_ends_with="inherited")
    gone = base.state_dict().keys() - model.state_dict().keys()
    assert gone == {name for name in base.state_dict() if name.startswith("decoder.layers.3.")}


def test_separate_embeddings(build, dictionary):
    model = start(build, dictionary, separate_embeddings=True)
    assert model.decoder.embed_tokens.weight is not model.encoder.embed_tokens.weight
    assert torch.equal(model.decoder.embed_tokens.weight, model.encoder.embed_tokens.weight)
    assert model.output_weight is model.decoder.embed_tokens.weight


def test_own_output_matrix(build, dictionary):
    model = start(build, dictionary, output_matrix="own")
    assert model.decoder.embed_tokens.weight is model.encoder.embed_tokens.weight
    assert model.output_weight is not model.encoder.embed_tokens.weight
    assert torch.equal(model.output_weight, model.encoder.embed_tokens.weight)


SEVERAL = {"distributed_world_size": 2, "ddp_backend": "pytorch_ddp"}
BAD = [
    ({"encoder_layers": 0}, "--encoder-layers must be at least 1"),
    ({"encoder_embed_dim": 10}, "--encoder-embed-dim 10 is not a multiple of 12"),
    ({"max_target_positions": 0}, "--max-target-positions must be at least 1"),
    ({"dropout": 1.0}, "--dropout is a probability"),
    ({"freeze_encoder_updates": -1}, "--freeze-encoder-updates must be at least 0"),
    ({"plain_decoder": True, "tie_ffn": True}, "--plain-decoder has no layers for --tie-ffn"),
    ({"random_inherited_layers": True, "tie_ffn": True}, "choose one"),
    ({"freeze_encoder_updates": 5, "tie_ffn": True}, "cannot freeze"),
    ({"pretrained_decoder": True}, "--pretrained-decoder needs --pretrained-encoder"),
    ({"encoder_layers_to_keep": "0"}, "together"),
    ({**SEVERAL, "decoder_layerdrop": 0.1, "find_unused_parameters": False}, "add --find-unused-parameters$"),
    ({"freeze_encoder_updates": 1, "fp16": True, "weight_decay": 0.1}, "set --weight-decay 0 or do not freeze"),
    ({"freeze_embeddings_updates": 1, "bf16": True, "weight_decay": 0.1}, "set --weight-decay 0 or do not freeze"),
    ({"amp": True}, "use --fp16"),
    ({**SEVERAL, "checkpoint_activations": True, "tie_ffn": True}, "--ddp-backend legacy_ddp"),
    ({**SEVERAL, "checkpoint_activations": True, "find_unused_parameters": True}, "--ddp-backend legacy_ddp"),
    ({"freeze_encoder_updates": 1, "bf16": True, "weight_decay": None}, "--weight-decay even to frozen parameters"),
    ({"freeze_encoder_updates": 1, "distributed_world_size": 2, "ddp_backend": "legacy_ddp", "weight_decay": 0.1},
     "--ddp-backend legacy_ddp .* set --ddp-backend pytorch_ddp --find-unused-parameters"),
    ({"freeze_encoder_updates": 1, "distributed_world_size": 2, "ddp_backend": "no_c10d", "weight_decay": 0.1},
     "--ddp-backend no_c10d"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "message"), BAD)
def test_options_that_cannot_work(options, message):
    with pytest.raises(InputError, match=message):
        XLMSWCMConfig(**options).check()


FREEZING_THAT_HOLDS = [
    {"fp16": True, "weight_decay": 0.0},
    {"fp16": True, "memory_efficient_fp16": True, "weight_decay": 0.1},
    {"bf16": True, "memory_efficient_bf16": True, "weight_decay": 0.1},
    {"fp16": False, "bf16": False, "weight_decay": 0.1, "distributed_world_size": 1, "ddp_backend": "legacy_ddp"},
    {"distributed_world_size": 2, "ddp_backend": "legacy_ddp", "weight_decay": 0.0},
    {"distributed_world_size": 2, "ddp_backend": "c10d", "find_unused_parameters": True, "weight_decay": 0.1},
]


@pytest.mark.parametrize("options", FREEZING_THAT_HOLDS)
def test_effective_freezing_is_not_refused(options):
    XLMSWCMConfig(freeze_encoder_updates=1, **options).check()


@pytest.mark.parametrize("keep", ["0,9", "a", "", "-1"])
def test_layers_to_keep_out_of_range(keep):
    with pytest.raises(InputError, match=r"--decoder-layers-to-keep .* from 0 to 15"):
        XLMSWCMConfig(encoder_layers_to_keep="0", decoder_layers_to_keep=keep.replace("9", "16")).layer_plan()


def test_random_start_is_berts(dictionary):
    """N(0, 0.02), as in the code of BERT and RoBERTa; also for new embedding rows."""
    torch.manual_seed(0)
    model = XLMSWCMModel.from_config(XLMSWCMConfig(encoder_layers=1, normal_layer_interval=1), dictionary)
    for parameter in model.parameters():
        if parameter.dim() == 2:
            assert parameter.mean().abs() < 1e-3
            assert parameter.std().item() == pytest.approx(0.02, rel=0.05)


def test_layers_to_keep_are_for_decoding(build):
    """A checkpoint that is trained after pruning could not be loaded, whatever it was started from."""
    config = XLMSWCMConfig(encoder_layers_to_keep="0", decoder_layers_to_keep="0", finetune_from_model="model.pt")
    assert "prunes a checkpoint for decoding (in --model-overrides), not for training" in (
        missing_weights(config) or ""
    )


def test_layers_to_keep(build):
    full = build()
    keep = {"encoder_layers_to_keep": "0,2", "decoder_layers_to_keep": "3,1,2"}
    pruned = build(seed=1, **keep)
    pruned.load_state_dict(full.state_dict(), model_cfg=OmegaConf.create({"_name": "xlm_swcm", **keep}))
    assert [str(layer) for layer in pruned.decoder.plan] == ["inherit 1", "normal", "inherit 2"]
    for half, kept in ((pruned.encoder, [0, 2]), (pruned.decoder, [1, 2, 3])):
        source = full.encoder if half is pruned.encoder else full.decoder
        for layer, number in zip(half.layers, kept, strict=True):
            for name, parameter in layer.named_parameters():
                assert torch.equal(parameter, source.layers[number].get_parameter(name))


def test_named_sizes_pass_the_check():
    for name in SIZES:
        MODEL_DATACLASS_REGISTRY[name]().check()
