"""Convert a directory for transformers back to a checkpoint from which fairseq-train continues."""

from pathlib import Path
from typing import cast

import torch
from fairseq.dataclass.configs import FairseqConfig
from omegaconf import OmegaConf, open_dict
from torch import Tensor

from swcm_fairseq.checkpoint_state import Checkpoint, Options
from swcm_fairseq.data.languages import language_token
from swcm_fairseq.data.vocabulary import DICT_FILE, MASK, Vocabulary
from swcm_fairseq.errors import InputError
from swcm_fairseq.export import write_fairseq
from swcm_fairseq.interop.encoder_files import CONFIG_FILE
from swcm_fairseq.interop.files import load_directory, load_json
from swcm_fairseq.interop.hf_names import (
    MODEL_TYPE,
    TASK_OPTIONS,
    empty_model,
    first_names,
    hf_name,
    hf_options,
    model_config,
)
from swcm_fairseq.interop.lora import ADAPTER_CONFIG_FILE, merge
from swcm_fairseq.models.model_config import XLMSWCMConfig
from swcm_fairseq.models.norms import DEFAULT_EPS

EPSILONS = {"encoder._extra_state": "encoder_layer_norm_eps", "decoder._extra_state": "decoder_layer_norm_eps"}
# Training options, which a user of transformers may change.
FREE = {"dropout", "attention_dropout", "activation_dropout", "encoder_layerdrop", "decoder_layerdrop"}
TASK = "multilingual_denoising_mt"


def is_exported(directory: Path) -> bool:
    """Whether a directory contains a whole model for transformers."""
    path = directory / CONFIG_FILE
    return path.is_file() and load_json(path).get("model_type") == MODEL_TYPE


def write_checkpoint(source: Path, output: Path, lora: Path | None = None) -> list[str]:
    """Write ``model.pt``, ``dict.txt`` and the sentencepiece model, as ``swcm export`` does.

    Args:
        source: directory written by ``swcm export --format huggingface`` or transformers' ``save_pretrained``.
        output: directory to write, which must not contain a model.
        lora: directory of a LoRA adapter for ``source`` to merge.

    Returns:
        The model's languages.

    Raises:
        InputError: ``source`` is not such a directory or is damaged, or the LoRA adapter belongs to another model.
    """
    state = read_state(source, lora)
    write_fairseq(state, source, output)
    return list(state["task_state"]["langs"])


def read_state(source: Path, lora: Path | None = None) -> Checkpoint:
    """The checkpoint: fairseq's options, the weights, and the task's state; see :func:`write_checkpoint`."""
    content = _config(source)
    langs = list(content["language_token_ids"])
    symbols = [*Vocabulary(source).dictionary.symbols, MASK, *map(language_token, langs)]
    if len(symbols) != content["vocab_size"]:
        raise InputError(
            f"{source / DICT_FILE}: {len(symbols):,} symbols, but {CONFIG_FILE} has {content['vocab_size']:,}; "
            "tokens added by transformers cannot be converted back"
        )
    config = model_config(content["fairseq"]["model"])
    ours = hf_options(config).items()
    differing = [name for name, value in ours if name not in FREE and content.get(name, value) != value]
    if differing:
        raise InputError(
            f"{source / CONFIG_FILE}: {differing[0]} contradicts the fairseq options in the same file; copy both from "
            "the export"
        )
    tensors = load_directory(source)
    if lora is not None:
        merge(tensors, lora, source)
    return {
        "args": None,
        "cfg": _fairseq_config(content["fairseq"], config, langs),
        "model": _weights(source, content, config, symbols, tensors),
        "optimizer_history": [{"criterion_name": "", "optimizer_name": "", "lr_scheduler_state": {}, "num_updates": 0}],
        "task_state": {"symbols": symbols, "langs": langs},
        "extra_state": {},
    }


def _config(source: Path) -> Options:
    """``config.json`` of one of our directories; raises :class:`InputError` for any other directory."""
    if (source / ADAPTER_CONFIG_FILE).is_file() and not (source / CONFIG_FILE).is_file():
        raise InputError(
            f"{source}: a LoRA adapter without its model; give the model's directory, and the adapter with --lora"
        )
    is_another = source.is_dir() and not (source / CONFIG_FILE).exists()
    content = {} if is_another else load_json(source / CONFIG_FILE)
    needed = ("language_token_ids", "vocab_size", "fairseq")  # transformers may omit the rest, if it has default values
    if content.get("model_type") != MODEL_TYPE or any(name not in content for name in needed):
        raise InputError(
            f"{source}: not a model exported for transformers; give a directory written by swcm export "
            "--format huggingface, or one saved after further training"
        )
    return content


def _weights(
    source: Path, content: Options, config: XLMSWCMConfig, symbols: list[str], tensors: dict[str, Tensor]
) -> dict[str, Tensor]:
    """The weights under fairseq's names; tied weights have all their names, as in fairseq's own checkpoints.

    Raises:
        InputError: a tensor is missing, unknown or of another shape.
    """
    model = empty_model(config, symbols)
    first = first_names(model)
    places = {name: {hf_name(other) for other in first if first[other] == first[name]} for name in first}
    known = set().union(*places.values())
    for name in tensors:
        if name not in known:
            raise InputError(
                f"{source}: the tensor {name} does not belong to the model (a LoRA? merge it, or give --lora)"
            )
    weights: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        if name in EPSILONS:
            weights[name] = torch.tensor(content.get(EPSILONS[name], DEFAULT_EPS), dtype=torch.float64)
        elif name not in first:
            weights[name] = value  # fairseq's version mark
        else:
            weights[name] = _found(source, tensors, sorted(places[name]), value)
    return weights


def _found(source: Path, tensors: dict[str, Tensor], names: list[str], like: Tensor) -> Tensor:
    """The tensor stored under one of ``names``."""
    there = [name for name in names if name in tensors]
    if not there:
        raise InputError(f"{source}: the tensor {names[0]} is missing; copy the directory again")
    tensor = tensors[there[0]]
    if any(not torch.equal(tensor, tensors[name]) for name in there[1:]):
        raise InputError(f"{source}: {there[0]} and {there[1]} differ, but the architecture ties them")
    if tensor.shape != like.shape:
        raise InputError(f"{source}: {there[0]} has the shape {list(tensor.shape)}, not {list(like.shape)}")
    return tensor


def _fairseq_config(options: Options, config: XLMSWCMConfig, langs: list[str]) -> dict[str, Options]:
    """All of fairseq's options: model and task options from the directory, fairseq's defaults for all others."""
    from swcm_fairseq.tasks.task_config import (
        MultilingualDenoisingMTConfig,
    )  # not at the top: the task imports models, which import this package

    task = MultilingualDenoisingMTConfig(
        data=".", langs=",".join(langs), **{name: options["task"][name] for name in TASK_OPTIONS}
    )
    whole = OmegaConf.structured(FairseqConfig())
    with open_dict(whole):
        for name, part, kind in (("model", config, options["model"]["_name"]), ("task", task, TASK)):
            whole[name] = OmegaConf.structured(part)
            with open_dict(whole[name]):
                whole[name]["_name"] = kind
    return cast(dict[str, Options], OmegaConf.to_container(whole, resolve=True, enum_to_str=True))
