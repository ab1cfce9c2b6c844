"""Write a trained model as a directory that transformers can load without fairseq or this package."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from swcm_fairseq.checkpoint_state import Checkpoint
from swcm_fairseq.data.languages import language_token
from swcm_fairseq.data.vocabulary import DICT_FILE, MASK, SENTENCEPIECE_FILE
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.encoder_files import CONFIG_FILE, SAFETENSORS
from swcm_fairseq.interop.hf_names import (
    MODEL_OPTIONS,
    MODEL_TYPE,
    PREFIX,
    TASK_OPTIONS,
    check_architecture,
    empty_model,
    first_names,
    hf_name,
    hf_options,
    model_config,
)
from swcm_fairseq.interop.rows import EMBED_TOKENS
from swcm_fairseq.models import XLMSWCMModel
from swcm_fairseq.models.checkpoint_check import check_tensors, check_ties
from swcm_fairseq.models.model_config import XLMSWCMConfig

CODE = Path(__file__).resolve().parent.parent / "huggingface"
CODE_FILES = ("configuration_xlm_swcm.py", "modeling_xlm_swcm.py", "tokenization_xlm_swcm.py")
GENERATION_FILE = "generation_config.json"
TOKENIZER_CONFIG_FILE = "tokenizer_config.json"
CARD_FILE = "README.md"
# In writing order; the last file makes the directory complete.
FILES = (
    DICT_FILE,
    SENTENCEPIECE_FILE,
    *CODE_FILES,
    GENERATION_FILE,
    TOKENIZER_CONFIG_FILE,
    CARD_FILE,
    CONFIG_FILE,
    SAFETENSORS,
)
SPECIAL_IDS = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 0}
MAX_WORDS = 200  # fairseq-generate's --max-len-b


def write_huggingface(state: Checkpoint, vocabulary: Path, card: str, directory: Path, checkpoint: Path) -> None:
    """Write every file of the directory.

    Args:
        state: one of our checkpoints, as returned by :func:`swcm_fairseq.export.stripped`.
        vocabulary: directory of ``dict.txt`` and the sentencepiece model.
        card: text of the model card.
        directory: directory to write to.
        checkpoint: file of the state, for messages.

    Raises:
        InputError: the model is damaged or has another architecture.
        OSError: the directory cannot be written.
    """
    check_architecture(state["cfg"]["model"]["_name"], checkpoint)
    for name in (DICT_FILE, SENTENCEPIECE_FILE):
        shutil.copyfile(vocabulary / name, directory / name)
    for name in CODE_FILES:
        shutil.copyfile(CODE / name, directory / name)
    tensors = named_tensors(state, checkpoint)
    try:
        save_file(tensors, directory / SAFETENSORS, metadata={"format": "pt"})
    except SafetensorError as error:  # a full disk, for example
        raise OSError(str(error)) from error
    shutil.copymode(directory / DICT_FILE, directory / SAFETENSORS)  # safetensors lets only the owner read it
    dtype = str(tensors[f"{PREFIX}encoder.{EMBED_TOKENS}"].dtype).removeprefix("torch.")
    _write_json(directory / CONFIG_FILE, config_json(state, dtype))
    _write_json(directory / GENERATION_FILE, generation_json(state))
    _write_json(directory / TOKENIZER_CONFIG_FILE, tokenizer_json(state))
    (directory / CARD_FILE).write_text(card, encoding="utf-8")


def _write_json(path: Path, content: dict[str, object]) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def named_tensors(state: Checkpoint, checkpoint: Path) -> dict[str, torch.Tensor]:
    """The weights under their names in transformers; tied weights are listed once.

    Raises:
        InputError: the checkpoint's tensors do not match its options.
    """
    weights, model = state["model"], fitting_model(state, checkpoint)
    return {hf_name(name): weights[name].contiguous().clone() for name in dict.fromkeys(first_names(model).values())}


def fitting_model(state: Checkpoint, checkpoint: Path) -> XLMSWCMModel:
    """The model described by a checkpoint's options, without memory for its weights.

    Raises:
        InputError: the checkpoint's tensors do not match its options.
    """
    weights, config = state["model"], model_config(state["cfg"]["model"])
    _check_layers(weights, config, checkpoint)
    model = empty_model(config, state["task_state"]["symbols"])
    try:
        check_tensors(model, weights)
        check_ties(model, weights)
    except InputError as error:
        raise InputError(f"{checkpoint}: {error}") from error
    return model


def _check_layers(weights: Mapping[str, object], config: XLMSWCMConfig, checkpoint: Path) -> None:
    """Raise :class:`InputError` for a checkpoint with fewer layers than its options specify."""
    layers = {"encoder": config.transformer_config().encoder.layers, "decoder": len(config.layer_plan())}
    for half, needed in layers.items():
        found = {name.split(".")[2] for name in weights if name.startswith(f"{half}.layers.")}
        if len(found) < needed:
            raise InputError(
                f"{checkpoint}: has {len(found)} {half} layers, but its options specify {needed}: it was pruned by "
                "--encoder-layers-to-keep before it was trained, and fairseq does not record which layers were kept; "
                "export the checkpoint that it was pruned from"
            )


def language_ids(state: Checkpoint) -> dict[str, int]:
    """Language code -> id of its token, in the order of the ids."""
    symbols = state["task_state"]["symbols"]
    return {lang: symbols.index(language_token(lang)) for lang in state["task_state"]["langs"]}


def config_json(state: Checkpoint, dtype: str) -> dict[str, object]:
    """``config.json``."""
    options, task = state["cfg"]["model"], state["cfg"]["task"]
    config = model_config(options)
    return {
        "architectures": ["XLMSWCMForConditionalGeneration"],
        "model_type": MODEL_TYPE,
        "auto_map": {
            "AutoConfig": "configuration_xlm_swcm.XLMSWCMConfig",
            "AutoModel": "modeling_xlm_swcm.XLMSWCMModel",
            "AutoModelForSeq2SeqLM": "modeling_xlm_swcm.XLMSWCMForConditionalGeneration",
        },
        "vocab_size": len(state["task_state"]["symbols"]),
        **hf_options(config),
        "encoder_layer_norm_eps": float(state["model"]["encoder._extra_state"]),
        "decoder_layer_norm_eps": float(state["model"]["decoder._extra_state"]),
        "language_token_ids": language_ids(state),
        "is_encoder_decoder": True,
        **SPECIAL_IDS,
        "torch_dtype": dtype,
        "fairseq": {
            "model": {"_name": options["_name"], **{name: getattr(config, name) for name in MODEL_OPTIONS}},
            "task": {name: task[name] for name in TASK_OPTIONS} | {"tokens_per_sample": positions_of(state)},
        },
    }


def positions_of(state: Checkpoint) -> int:
    """Maximum length of a text in training, from the task state or, in older checkpoints, from the options."""
    return int(state["task_state"].get("tokens_per_sample") or state["cfg"]["task"]["tokens_per_sample"])


def generation_json(state: Checkpoint) -> dict[str, object]:
    """``generation_config.json``: the same search as in fairseq-generate.

    Unlike in fairseq, lengths include ``<s>`` and the language token. An output has at least one piece before ``</s>``,
    and at most ``--max-len-b`` (200) or as many as there are positions.
    """
    languages, target = language_ids(state), state["cfg"]["task"]["target_lang"]
    mask = state["task_state"]["symbols"].index(MASK)
    positions = int(state["cfg"]["model"]["max_target_positions"])
    search = {
        "num_beams": 5,
        "length_penalty": 1.0,
        "early_stopping": True,
        "do_sample": False,
        "min_length": 3,
        "max_length": min(MAX_WORDS + 3, positions + 1),
        "suppress_tokens": [SPECIAL_IDS["bos_token_id"], SPECIAL_IDS["pad_token_id"], mask],
    }
    forced = {} if target is None else {"forced_bos_token_id": languages[target]}
    return {**SPECIAL_IDS, **search, **forced}


def tokenizer_json(state: Checkpoint) -> dict[str, object]:
    """``tokenizer_config.json``."""
    task = state["cfg"]["task"]
    return {
        "tokenizer_class": "XLMSWCMTokenizer",
        "auto_map": {"AutoTokenizer": ["tokenization_xlm_swcm.XLMSWCMTokenizer", None]},
        "langs": list(state["task_state"]["langs"]),
        "src_lang": task["source_lang"],
        "tgt_lang": task["target_lang"],
        "model_max_length": positions_of(state),
        "clean_up_tokenization_spaces": False,
    }
