"""fairseq-train and fairseq-hydra-train give the model the same defaults."""

from typing import cast

import pytest
from fairseq import options
from fairseq.dataclass.configs import FairseqConfig
from fairseq.dataclass.utils import convert_namespace_to_omegaconf, merge_with_parent
from fairseq.models import MODEL_DATACLASS_REGISTRY
from omegaconf import OmegaConf

ARCHITECTURES = [name for name in MODEL_DATACLASS_REGISTRY if name.startswith("xlm_swcm")]


def command_line(name: str, *flags: str) -> dict:
    """The model's options as built by fairseq-train."""
    parser = options.get_training_parser()
    arguments = ["data", "--arch", name, "--task", "translation", "--save-dir", "here", *flags]
    cfg = convert_namespace_to_omegaconf(options.parse_args_and_arch(parser, arguments))
    return cast(dict, OmegaConf.to_container(cfg.model, enum_to_str=True))


def dataclass(name: str, **options) -> dict:
    """The model's options as built by fairseq-hydra-train: the registered dataclass in the whole configuration."""
    cfg = OmegaConf.create(
        {**vars(FairseqConfig()), "model": {"_name": name, **options}}, flags={"allow_objects": True}
    )
    cfg.checkpoint.save_dir = "here"
    merged = merge_with_parent(MODEL_DATACLASS_REGISTRY[name](), cfg.model)
    return cast(dict, OmegaConf.to_container(merged, resolve=True, enum_to_str=True))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_same_defaults(name):
    flags = command_line(name)
    assert flags == dataclass(name)
    assert flags["max_source_positions"] == 512, "not the task's default of the same name"
    assert flags["save_dir"] == "here"


def test_flags_reach_the_model():
    flags = command_line("xlm_swcm_released", "--encoder-layers", "6", "--tie-ffn", "--output-matrix", "tied")
    assert flags["encoder_layers"] == 6
    assert flags["tie_ffn"]
    assert (flags["output_matrix"], flags["decoder_ends_with"]) == ("tied", "inherited")


@pytest.mark.parametrize(
    ("optimizer", "decay"), [(["--weight-decay", "0.25"], 0.25), ([], 0.0), (["--optimizer", "sgd"], 0.0)]
)
def test_fairseqs_own_options_reach_the_model(optimizer, decay):
    flags = command_line("xlm_swcm", "--optimizer", "adam", "--bf16", *optimizer)
    assert (flags["bf16"], flags["fp16"], flags["weight_decay"]) == (True, False, decay)


def test_every_option_has_help():
    for name in ARCHITECTURES:
        for field in MODEL_DATACLASS_REGISTRY[name].__dataclass_fields__.values():
            interpolated = isinstance(field.default, str) and field.default.startswith("${")
            assert field.name == "_name" or interpolated or field.metadata["help"]
