"""Measure the speed-up of training with two processes on one machine (gloo), and the causes of overhead.

    python benchmarks/two_processes.py                                                       # a minute and a half

Uses made-up text of uneven lengths, batches of about --max-tokens, and DistributedDataParallel as in fairseq. Two
processes share the work of one: each takes every second batch. All times are wall-clock seconds per pair of batches:

    one process        both batches, one after the other
    two, no exchange   one batch each, gradients not exchanged: the cost of sharing memory and cores
    two, same batch    the same batch in both (mean of all), gradients exchanged: the cost of communication
    two                one batch each, gradients exchanged: the cost of waiting for the longer batch
    data               creating the batches (noise, collation), which loader workers can do in parallel
"""

import argparse
import contextlib
import os
import socket
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path
from typing import Any

import contestants as models
import made_up_data
import measure
import numpy as np
import torch
import torch.distributed as dist
from fairseq.data import Dictionary
from fairseq.distributed import ModuleProxyWrapper
from omegaconf import OmegaConf
from torch import multiprocessing
from torch.nn.parallel import DistributedDataParallel

from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.tasks.multilingual_denoising_mt import MultilingualDenoisingMTTask
from swcm_fairseq.tasks.task_config import MultilingualDenoisingMTConfig

ONE, APART, SAME, TWO = "one process", "two, no exchange", "two, same batch", "two"


def make_data(directory: Path, options: argparse.Namespace) -> None:
    """Write text in one language, with 4 to --tokens pieces per sentence."""
    dictionary: Dictionary = made_up_data.make_dictionary(options.vocabulary)
    directory.mkdir(parents=True, exist_ok=True)
    dictionary.save(str(directory / "dict.txt"))
    lengths = np.random.default_rng(0).integers(4, options.tokens - 3, options.samples)
    made_up_data.write_texts(directory / "bo" / "train", made_up_data.make_texts(dictionary, lengths), dictionary)


def make_task(data: Path, options: argparse.Namespace) -> MultilingualDenoisingMTTask:
    """The task with its training set."""
    values = {
        "data": str(data),
        "langs": "bo",
        "tokens_per_sample": options.tokens,
        "seed": 1,
        "train_subset": "train",
        "update_freq": [1],
    }
    task = MultilingualDenoisingMTTask.setup_task(
        OmegaConf.merge(OmegaConf.structured(MultilingualDenoisingMTConfig), values)
    )
    task.load_dataset("train", epoch=1)
    return task


def make_batches(task: MultilingualDenoisingMTTask, options: argparse.Namespace) -> tuple[list[dict[str, Any]], float]:
    """An even number of batches in random order, and the seconds to create a pair."""
    dataset = task.dataset("train")
    dataset.set_epoch(1)
    groups = dataset.batch_by_size(dataset.ordered_indices(), max_tokens=options.max_tokens)
    order = np.random.default_rng(0).permutation(len(groups))[: 2 * options.pairs]
    before = time.perf_counter()
    batches = [dataset.collater([dataset[int(i)] for i in groups[number]]) for number in order]
    return batches, (time.perf_counter() - before) / options.pairs


def train(rank: int, world: int, kind: str, data: Path, port: int, options: argparse.Namespace, results: Any) -> None:
    """Run one process; puts its mean seconds per update and per created pair of batches into ``results``."""
    torch.set_num_threads(options.threads)
    task = make_task(data, options)
    batches, making = make_batches(task, options)
    model: Any = models.our_model(options, task).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)
    criterion = models.our_criterion(options, task)
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    dist.init_process_group("gloo", rank=rank, world_size=world)
    if world > 1:
        model = ModuleProxyWrapper(DistributedDataParallel(model))
    silent = model.module.no_sync if kind == APART else contextlib.nullcontext
    own = batches if kind in (ONE, SAME) else batches[rank::2]
    of_update = 2 if kind == ONE else 1
    seconds = []
    for first in range(0, len(own), of_update):
        dist.barrier()
        before = time.perf_counter()
        for sample in own[first : first + of_update]:
            with silent():
                criterion(model, sample)[0].backward()
        optimizer.step()
        optimizer.zero_grad()
        dist.barrier()
        seconds.append(time.perf_counter() - before)
    if rank == 0:
        warm = seconds[len(seconds) // options.pairs :]  # without the first pair
        results.put({"seconds": statistics.mean(warm), "making": making})
    dist.destroy_process_group()


def one_turn(kind: str, data: Path, options: argparse.Namespace) -> dict[str, float]:
    """The mean seconds per pair of batches (for SAME, one batch in both processes), and the seconds to create it."""
    world = 1 if kind == ONE else 2
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    results = multiprocessing.get_context("fork").SimpleQueue()
    arguments = (world, kind, data, port, options, results)
    multiprocessing.start_processes(train, arguments, nprocs=world, start_method="fork")
    return results.get()


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = measure.build_parser(__doc__, rounds=3)
    models.add_model_options(parser, vocabulary=8_000, sentences=0, tokens=128)
    parser.set_defaults(arch="xlm_swcm_small", encoder_layers=3)
    measure.add_numbers(
        parser,
        """
        max_tokens  512  maximum tokens per batch
        pairs         6  pairs of batches, the first of which is not counted
        samples     400  number of made-up sentences
        """,
    )
    return parser


def main() -> None:
    """Measure and write the report."""
    options = build_parser().parse_args()
    if options.device != "cpu":
        raise InputError("--device cuda: this benchmark compares two processes on a CPU; remove the option")
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        make_data(data, options)
        results = measure.alternate(
            options.rounds, {kind: partial(one_turn, kind, data, options) for kind in (ONE, APART, SAME, TWO)}
        )
    seconds = {kind: [turn["seconds"] for turn in turns] for kind, turns in results.items()}
    median = {kind: statistics.median(values) for kind, values in seconds.items()}
    making = statistics.median(turn["making"] for turn in results[ONE])
    parts = {
        "the ideal: half of one process": median[ONE] / 2,
        "sharing the machine": median[APART] - median[ONE] / 2,
        "exchanging gradients": median[SAME] - median[APART],
        "waiting for the longer batch": median[TWO] - median[SAME],
    }
    report = measure.Report(
        title="Two processes on one machine",
        device=options.device,
        settings=[
            f"{options.arch} with {options.encoder_layers} encoder layers, {options.vocabulary:,} symbols, "
            f"sentences of 7 to {options.tokens} tokens, batches of at most {options.max_tokens}",
            f"{options.rounds} rounds of {options.pairs - 1} pairs of batches; wall-clock seconds",
        ],
        headers=["", "seconds per pair of batches"],
        rows=[
            *([kind, measure.spread(values, 3)] for kind, values in seconds.items()),
            *([f"*{name}*", f"{value:.3f} ({value / median[TWO]:.0%})"] for name, value in parts.items()),
            ["*creating the batches (in one process)*", f"{making:.3f}"],
        ],
        ratios=[measure.Ratio.of("speed-up, two processes / one", seconds[ONE], seconds[TWO])],
        raw=results,
    )
    report.write(options.output, options.note)


if __name__ == "__main__":
    run_command(main)
