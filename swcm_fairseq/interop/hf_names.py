"""Names and options of the whole model in a Hugging Face directory, as tables that serve both directions."""

import re
from collections.abc import Sequence

import torch
from fairseq.data import Dictionary
from torch import nn

from swcm_fairseq.checkpoint_state import Options
from swcm_fairseq.errors import InputError
from swcm_fairseq.models import XLMSWCMModel
from swcm_fairseq.models.model_config import XLMSWCMConfig

MODEL_TYPE = "xlm_swcm"
ARCHITECTURES = "xlm_swcm"  # the prefix of our architectures

# fairseq                        swcm_fairseq/huggingface/modeling_xlm_swcm.py; all other names only get a prefix
OUTPUT_MATRIX = {"decoder.output_projection.weight": "lm_head.weight"}
FEED_FORWARD = {
    "fc1": "ffn1.fc1",
    "fc2": "ffn1.fc2",
    "fc3": "ffn2.fc1",
    "fc4": "ffn2.fc2",
}
PREFIX = "model."

# Option of config.json <- option of the model. SAME lists the options that have the same name in both.
SIZES = {
    "d_model": "encoder_embed_dim",
    "encoder_layers": "encoder_layers",
    "encoder_attention_heads": "encoder_attention_heads",
    "encoder_ffn_dim": "encoder_ffn_embed_dim",
    "decoder_attention_heads": "encoder_attention_heads",
    "decoder_ffn_dim": "encoder_ffn_embed_dim",
}
SAME = (
    "separate_embeddings",
    "max_source_positions",
    "max_target_positions",
    "dropout",
    "attention_dropout",
    "activation_dropout",
    "encoder_layerdrop",
    "decoder_layerdrop",
)
ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_accurate": "gelu_new",
    "gelu_fast": "gelu_new",
    "relu": "relu",
    "relu_squared": "relu2",
    "tanh": "tanh",
    "linear": "linear",
    "swish": "swish",
}
# Options that define a fairseq model, without paths and run options; config.json stores them for the way back.
MODEL_OPTIONS = (
    "random_inherited_layers",
    "normal_layer_interval",
    "duplicate_inserted_layers",
    "decoder_ends_with",
    "plain_decoder",
    "tie_self_attention",
    "tie_ffn",
    "tie_duplicates",
    "output_matrix",
    "encoder_embed_dim",
    "encoder_layers",
    "encoder_attention_heads",
    "encoder_ffn_embed_dim",
    "activation_fn",
    "encoder_layers_to_keep",
    "decoder_layers_to_keep",
    *SAME,
)
TASK_OPTIONS = ("tokens_per_sample", "source_lang", "target_lang")


def hf_name(name: str) -> str:
    """``decoder.layers.0.fc3.weight`` -> ``model.decoder.layers.0.ffn2.fc1.weight``."""
    if name in OUTPUT_MATRIX:
        return OUTPUT_MATRIX[name]
    return PREFIX + re.sub(r"\.(fc[1-4])\.", lambda found: f".{FEED_FORWARD[found[1]]}.", name)


def model_config(options: Options) -> XLMSWCMConfig:
    """The model's configuration, from the options of a checkpoint or of ``config.json``.

    Raises:
        InputError: an option has an unusable value.
    """
    config = XLMSWCMConfig(**{name: options[name] for name in MODEL_OPTIONS if name in options})
    config.check()
    return config


def empty_model(config: XLMSWCMConfig, symbols: Sequence[str]) -> XLMSWCMModel:
    """The model with all names, shapes and ties, but without memory for its weights."""
    dictionary = Dictionary()
    for symbol in symbols[dictionary.nspecial :]:
        dictionary.add_symbol(symbol)
    with torch.device("meta"):
        return XLMSWCMModel.from_config(config, dictionary)


def first_names(model: nn.Module) -> dict[str, str]:
    """Name of a parameter -> first name of the same parameter; parameters are stored only under their first name."""
    first: dict[int, str] = {}
    pairs = model.named_parameters(remove_duplicate=False)
    return {name: first.setdefault(id(parameter), name) for name, parameter in pairs}


def hf_options(config: XLMSWCMConfig) -> Options:
    """The part of ``config.json`` that describes the architecture."""
    tied = not config.pruned  # in a pruned model, nothing stays tied
    return {
        **{theirs: getattr(config, ours) for theirs, ours in SIZES.items()},
        **{name: getattr(config, name) for name in SAME},
        "encoder_layers": config.transformer_config().encoder.layers,
        "decoder_plan": [str(planned) for planned in config.layer_plan()],
        "tie_self_attention": config.tie_self_attention and tied,
        "tie_ffn": config.tie_ffn and tied,
        "tie_duplicates": config.tie_duplicates and tied,
        "tie_word_embeddings": str(config.output_matrix) == "tied",
        "activation_function": ACTIVATIONS[str(config.activation_fn)],
    }


def is_ours(arch: str) -> bool:
    """Whether an architecture is one of this project's."""
    return arch.startswith(ARCHITECTURES)


def check_architecture(arch: str, path: object) -> None:
    """Raise :class:`InputError` for a model that is not one of ours."""
    if not is_ours(arch):
        raise InputError(
            f"{path}: the model has --arch {arch}; only {ARCHITECTURES} and its sizes can be written for transformers"
        )
