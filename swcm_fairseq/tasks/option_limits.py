"""Checks of options that fairseq does not check: numbers, the number of processes, checkpoints for decoding."""

import ast
import math
import os
from argparse import Namespace
from collections.abc import Iterator, Mapping
from pathlib import Path

from fairseq import utils
from omegaconf import DictConfig, OmegaConf

from swcm_fairseq.errors import InputError
from swcm_fairseq.restoring import read_checkpoint

FLOAT_BYTES = 4
MOST = 2**31 - 1  # maximum of 32-bit counts
# Group and option -> minimum and maximum. Numbers outside lead to a division by zero, a SIGFPE or negative lengths, or
# have no effect.
LIMITS: dict[str, tuple[float, float]] = {
    "common.seed": (0, 2**32 - 1),
    "common.log_interval": (1, MOST),
    "common.empty_cache_freq": (0, MOST),
    "dataset.num_workers": (0, 1024),
    "dataset.data_buffer_size": (0, MOST),
    "dataset.batch_size": (1, MOST),
    "dataset.batch_size_valid": (1, MOST),
    "dataset.max_tokens": (1, MOST),
    "dataset.max_tokens_valid": (1, MOST),
    "dataset.max_valid_steps": (1, MOST),
    "dataset.required_batch_size_multiple": (1, MOST),
    "dataset.validate_interval": (1, MOST),
    "dataset.validate_interval_updates": (0, MOST),
    "dataset.validate_after_updates": (0, MOST),
    "dataset.fixed_validation_seed": (0, 2**32 - 1),
    "dataset.curriculum": (0, MOST),
    "optimization.max_epoch": (0, MOST),
    "optimization.max_update": (0, MOST),
    "optimization.stop_time_hours": (0, math.inf),
    "optimization.clip_norm": (0, math.inf),
    "optimization.update_freq": (1, MOST),
    "optimization.lr": (0, math.inf),
    "checkpoint.save_interval": (1, MOST),
    "checkpoint.save_interval_updates": (0, MOST),
    "checkpoint.keep_interval_updates": (-1, MOST),
    "checkpoint.keep_last_epochs": (-1, MOST),
    "checkpoint.keep_best_checkpoints": (-1, MOST),
    "checkpoint.patience": (-1, MOST),
    "distributed_training.distributed_world_size": (1, MOST),
    "generation.beam": (1, 10_000),
    "generation.nbest": (1, 10_000),
    "generation.max_len_a": (0, math.inf),
    "generation.max_len_b": (0, MOST),
    "generation.min_len": (0, MOST),
    "generation.lenpen": (-math.inf, math.inf),
    "generation.unkpen": (-math.inf, math.inf),
    "generation.temperature": (1e-6, math.inf),
    "generation.sampling_topk": (-1, MOST),
    "generation.sampling_topp": (-1, 1),
    "generation.diverse_beam_groups": (-1, MOST),
    "generation.diverse_beam_strength": (-math.inf, math.inf),
    "generation.prefix_size": (0, MOST),
}


def check_options(options: DictConfig) -> None:
    """Refuse options on which fairseq would fail.

    Args:
        options: fairseq's whole configuration.

    Raises:
        InputError: an option has an invalid value; the message gives the valid ones.
    """
    for key, (least, most) in LIMITS.items():
        value = OmegaConf.select(options, key)
        for number in value if OmegaConf.is_list(value) else [value]:
            if number is not None and not (least <= number <= most and math.isfinite(number)):
                raise InputError(f"--{key.split('.')[1].replace('_', '-')} {number}: give {_range(least, most)}")
    if options.checkpoint.write_checkpoints_asynchronously:
        raise InputError(
            "--write-checkpoints-asynchronously: remove this option; with it, fairseq writes no checkpoint_last.pt, so "
            "an interrupted training run would restart from the beginning"
        )
    if options.common_eval.path is None:
        check_launcher(options)
    else:
        check_models(options)


def _range(least: float, most: float) -> str:
    if math.isinf(least):
        return "a finite number"
    return f"{least:g} or more" if most in (MOST, math.inf) else f"a number from {least:g} to {most:g}"


def check_size(model: DictConfig | Namespace, symbols: int) -> None:
    """Refuse to build a model whose parameters alone exceed the memory of this machine.

    Args:
        model: the options of its architecture.
        symbols: number of symbols in the dictionary.

    Raises:
        InputError: the model is too large.
    """
    options = vars(model) if isinstance(model, Namespace) else model
    width, ffn, layers, decoder_layers, source, target, positions = (
        int(options.get(name) or 0)
        for name in (
            *("encoder_embed_dim", "encoder_ffn_embed_dim", "encoder_layers", "decoder_layers"),
            *("max_source_positions", "max_target_positions", "max_positions"),
        )
    )
    rows = symbols + source + target + positions
    parameters = rows * width + (layers + decoder_layers) * (4 * width**2 + 2 * width * ffn)
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if parameters * FLOAT_BYTES > memory:
        raise InputError(
            f"--encoder-layers {layers}, --encoder-embed-dim {width}, --encoder-ffn-embed-dim {ffn} and {rows:,} "
            f"embedding rows make about {parameters:,} parameters, more than fit into this machine's "
            f"{memory / 2**30:.0f} GB; give smaller sizes"
        )


def check_launcher(options: DictConfig) -> None:
    """Refuse a single-process run that a launcher started as one of several, because each would train alone."""
    promised = os.environ.get("WORLD_SIZE", "1")
    if promised.isdecimal() and int(promised) > 1 and options.distributed_training.distributed_world_size == 1:
        cpu = (
            " --distributed-init-method env:// --distributed-no-spawn --distributed-rank -1 --distributed-backend gloo "
            "--ddp-backend legacy_ddp"
        )
        raise InputError(
            f"--distributed-world-size 1: the launcher has started {promised} processes (WORLD_SIZE={promised}), and "
            f"each would train a separate model; give --distributed-world-size {promised}"
            f"{cpu if options.common.cpu else ''}"
        )


def check_models(options: DictConfig) -> None:
    """Refuse checkpoints that cannot be read and overrides of options that they do not have."""
    states = []
    if options.checkpoint.checkpoint_shard_count == 1 and not options.checkpoint.checkpoint_suffix:
        for path in utils.split_paths(options.common_eval.path):
            if not Path(path).is_file():
                raise InputError(f"--path {path}: no such file; give a checkpoint, or several separated by colons")
            states.append(read_checkpoint(path))
            if not states[-1].get("model") or not (states[-1].get("cfg") or states[-1].get("args")):
                raise InputError(f"--path {path}: contains no model; give a checkpoint saved by fairseq-train")
    overrides = _overrides(options.common_eval.model_overrides)
    known = {name for state in states for name in _names(state.get("cfg") or vars(state["args"]))}
    for name in overrides:
        if states and name not in known:
            raise InputError(f"--model-overrides: no checkpoint has an option {name!r}; remove it")


def _overrides(text: str) -> dict[str, object]:
    """``--model-overrides`` as a dictionary."""
    try:
        overrides = ast.literal_eval(text)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        overrides = None
    if not isinstance(overrides, dict) or not all(isinstance(name, str) for name in overrides):
        raise InputError(f"--model-overrides {text}: write a dictionary, e.g. \"{{'data': 'data-bin'}}\"")
    return overrides


def _names(tree: Mapping[str, object]) -> Iterator[str]:
    """The names of all options in a configuration of nested dictionaries, or Namespaces for older architectures."""
    for name, value in tree.items():
        yield str(name)
        if isinstance(value, dict | Namespace):
            yield from _names(vars(value) if isinstance(value, Namespace) else value)
