"""Measure how many loading processes (--num-workers) keep one GPU at full speed.

    python benchmarks/loader_workers.py                                    # made-up text, batches of 75 x 256 tokens
    python benchmarks/loader_workers.py --data DATA_BIN --rate 300000      # a data directory, a faster GPU

Loads data as fairseq-train does (sampling, noise, pairs, batching, transport between processes), but without a model.
Loading must supply as many target tokens per second as training consumes; give this number, which
benchmarks/train_step.py measures, as --rate. Times are wall-clock times, because several processes work at once.
"""

import argparse
import itertools
import math
import statistics
import tempfile
import time
from functools import partial
from pathlib import Path

import made_up_data
import measure
import torch
from omegaconf import OmegaConf

from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.tasks.multilingual_denoising_mt import MultilingualDenoisingMTTask
from swcm_fairseq.tasks.task_config import MultilingualDenoisingMTConfig

BUFFER = 10  # fairseq's --data-buffer-size


def make_task(data: Path, tokens: int) -> MultilingualDenoisingMTTask:
    """The task for a data directory, with its training set."""
    values = {
        "data": str(data),
        "tokens_per_sample": tokens,
        "seed": 1,
        "train_subset": "train",
        "valid_subset": "valid",
        "update_freq": [1],
    }
    config = OmegaConf.merge(OmegaConf.structured(MultilingualDenoisingMTConfig), values)
    task = MultilingualDenoisingMTTask.setup_task(config)
    task.load_dataset("train", epoch=1)
    return task


def one_turn(options: argparse.Namespace, data: Path, workers: int) -> dict[str, float]:
    """Batches and target tokens per second with ``workers`` loading processes, after the first batches."""
    task = make_task(data, options.tokens)
    epochs = task.get_batch_iterator(
        task.dataset("train"),
        max_sentences=options.batch_size,
        max_positions=task.max_positions(),
        seed=1,
        num_workers=workers,
        data_buffer_size=BUFFER,
    )
    wanted = options.warm_up + options.batches
    if len(epochs) < wanted:
        raise InputError(f"{data}: has {len(epochs)} batches, but --warm-up and --batches need {wanted}; lower them")
    batches = epochs.next_epoch_itr(shuffle=True)
    for _ in itertools.islice(batches, options.warm_up):
        pass
    started = time.perf_counter()
    tokens = sum(int(batch["ntokens"]) for batch in itertools.islice(batches, options.batches))
    seconds = time.perf_counter() - started
    return {"batches": options.batches / seconds, "tokens": tokens / seconds}


def workers_needed(speeds: dict[int, float], rate: float) -> tuple[int, bool]:
    """The fewest workers that supply ``rate`` tokens per second, and whether that was measured.

    Args:
        speeds: the number of tokens per second for each number of workers.
        rate: the number of tokens per second that training consumes.

    Returns:
        A number that was measured to suffice, or one extrapolated from the best rate per worker.
    """
    enough = [workers for workers, speed in speeds.items() if speed >= rate]
    if enough:
        return min(enough), True
    per_worker = max(speed / max(workers, 1) for workers, speed in speeds.items())
    return math.ceil(rate / per_worker), False


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = measure.build_parser(__doc__, rounds=3)
    parser.add_argument("--data", type=Path, metavar="DIR", help="data directory instead of made-up text")
    measure.add_numbers(
        parser,
        """
        vocabulary  30_000  number of symbols of made-up text
        tokens         256  maximum tokens per sample
        batch_size      75  samples per batch
        batches        100  timed batches per turn
        warm_up         20  batches before the timed ones
        """,
    )
    parser.add_argument(
        "--workers",
        type=int,
        nargs="+",
        default=[0, 1, 2, 4],
        metavar="N",
        help="numbers of workers to try (default: 0 1 2 4)",
    )
    parser.add_argument(
        "--rate", type=float, default=100_000, metavar="R", help="target tokens/s of training (100,000)"
    )
    return parser


def make_report(options: argparse.Namespace, turns: dict[str, list[dict[str, float]]]) -> measure.Report:
    """The report, with a table and the number of workers needed."""
    tokens = {name: [turn["tokens"] for turn in rounds] for name, rounds in turns.items()}
    speeds = {int(name): statistics.median(values) for name, values in tokens.items()}
    needed, measured = workers_needed(speeds, options.rate)
    how = (
        "measured" if measured else "extrapolated from the best rate of one worker; none of the numbers tried is enough"
    )
    rows = [
        [name, measure.spread([turn["batches"] for turn in rounds], 1), measure.spread(tokens[name], 0)]
        for name, rounds in turns.items()
    ]
    return measure.Report(
        title="How many loading processes keep one GPU at full speed",
        device="cpu",
        settings=[
            f"{measure.text_of(options)}, batches of {options.batch_size} x {options.tokens} tokens",
            f"{options.rounds} rounds of {options.batches} batches; median (range); wall-clock seconds",
        ],
        headers=["--num-workers", "batches/s", "target tokens/s"],
        rows=rows,
        ratios=[
            measure.Ratio(f"tokens/s, loading with --num-workers {name} / training", [v / options.rate for v in values])
            for name, values in tokens.items()
        ],
        notes=[f"For training at {options.rate:,.0f} target tokens per second: --num-workers {needed} ({how})."],
        raw={"tokens_per_second": tokens, "rate": options.rate, "needed": needed, "measured": measured},
    )


def main() -> None:
    """Measure and write the report."""
    options = build_parser().parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or Path(folder)
        if options.data is None:
            samples = (options.batches + options.warm_up + 1) * options.batch_size
            made_up_data.pretraining_data(data, options.vocabulary, math.ceil(samples / 5), options.tokens)
        turns = measure.alternate(
            options.rounds,
            {str(workers): partial(measure.apart, one_turn, options, data, workers) for workers in options.workers},
        )
    make_report(options, turns).write(options.output, options.note)


if __name__ == "__main__":
    run_command(main)
