"""Merge a LoRA adapter, as PEFT saves it, into the weights of its model."""

import filecmp
import math
from pathlib import Path

from torch import Tensor

from swcm_fairseq.checkpoint_state import Options
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.encoder_files import SAFETENSORS
from swcm_fairseq.interop.files import load_json, load_safetensors

ADAPTER_CONFIG_FILE = "adapter_config.json"
ADAPTER_FILE = "adapter_model.safetensors"
PREFIX = "base_model.model."
PARTS = (".lora_A.weight", ".lora_B.weight")
# Options that change the formula W + scale * B A.
UNSUPPORTED = ("use_dora", "modules_to_save", "alpha_pattern", "lora_bias", "fan_in_fan_out", "trainable_token_indices")


def merge(tensors: dict[str, Tensor], adapter: Path, base: Path) -> None:
    """Add ``scale * B A`` to each weight that the adapter changes, in place (Hu et al. 2021, equation 3).

    Args:
        tensors: the model's tensors, by name.
        adapter: directory with ``adapter_config.json`` and ``adapter_model.safetensors``.
        base: the model's directory.

    Raises:
        InputError: ``adapter`` is not a plain LoRA adapter, or belongs to another model.
    """
    config = load_json(adapter / ADAPTER_CONFIG_FILE)
    _check(config, adapter, base)
    matrices = load_safetensors(adapter / ADAPTER_FILE)
    changed = {name.removesuffix(part) for name in matrices for part in PARTS if name.endswith(part)}
    for name in matrices:
        if not name.endswith(PARTS):
            raise InputError(f"{adapter}: {name} is not a LoRA matrix; merge it with PEFT's merge_and_unload()")
    for name in sorted(changed):
        a, b = (matrices.get(name + part) for part in PARTS)
        weight = tensors.get(f"{name.removeprefix(PREFIX)}.weight")
        if a is None or b is None or weight is None or weight.shape != (b.size(0), a.size(1)):
            raise InputError(f"{adapter}: a LoRA adapter for another model: {name} does not match {base}")
        weight += (b @ a * _scale(config, a.size(0))).to(weight)


def _check(config: Options, adapter: Path, base: Path) -> None:
    if config.get("peft_type") != "LORA":
        raise InputError(f"{adapter}: an adapter of type {config.get('peft_type')}; only LoRA can be merged here")
    used = [name for name in UNSUPPORTED if config.get(name)] + ["bias"] * (config.get("bias", "none") != "none")
    if used:
        raise InputError(
            f"{adapter}: uses {', '.join(used)}; merge it with PEFT's merge_and_unload() and convert the saved result"
        )
    theirs = Path(config.get("base_model_name_or_path") or "") / SAFETENSORS
    ours = base / SAFETENSORS
    if theirs.is_file() and ours.is_file() and not filecmp.cmp(theirs, ours, shallow=False):
        raise InputError(
            f"{adapter}: a LoRA adapter for another model: it was trained on {theirs.parent}, not on {base}"
        )


def _scale(config: Options, rank: int) -> float:
    alpha = float(config["lora_alpha"])
    return alpha / math.sqrt(rank) if config.get("use_rslora") else alpha / rank
