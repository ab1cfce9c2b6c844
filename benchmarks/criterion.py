"""Time and memory of a training step: swcm_cross_entropy beside fairseq's label_smoothed_cross_entropy, on one model.

    python benchmarks/criterion.py                                                    # a CPU, float32
    python benchmarks/criterion.py --device cuda --arch xlm_swcm_base --encoder-layers 12 --sentences 75 \\
        --tokens 256 --precision bf16                                                 # a GPU

A step is forward, backward and AdamW. Sentences have full length, so that nothing is gained by leaving out padding.
Each turn is a process of its own.
"""

import argparse
import statistics
from functools import partial
from typing import Any

import contestants as models
import measure
import torch

from swcm_fairseq.errors import run_command

STOCK, OURS = "label_smoothed_cross_entropy", "swcm_cross_entropy"
# name -> share of teacher forcing, None for the stock criterion
VARIANTS = {STOCK: None, OURS: 1.0, f"{OURS}, ratio 0.5": 0.5, f"{OURS}, ratio 0": 0.0}


def one_turn(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of a step after a first one, peak memory in MiB with the model alone and in all, first loss in nats."""
    task = models.make_task(options.vocabulary)
    model = models.our_model(options, task).to(options.device, models.PRECISIONS[options.precision]).train()
    ratio = VARIANTS[name]
    if ratio is None:
        criterion = models.stock_criterion(options, task)
    else:
        criterion = models.our_criterion(options, task, teacher_forcing_final_ratio=ratio, teacher_forcing_decay_end=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, foreach=False)
    sample = models.make_batch(options.sentences, options.tokens, options.vocabulary, options.device)
    before = measure.peak_memory(options.device)
    losses = []

    def step() -> None:
        optimizer.zero_grad()
        loss, _, log = criterion(model, sample)
        loss.backward()
        optimizer.step()
        losses.append(float(log["loss"]) / sample["ntokens"])

    step()
    seconds = [measure.seconds(step, options.device) for _ in range(options.steps)]
    return {
        "seconds": statistics.median(seconds),
        "tokens": sample["ntokens"],
        "model_mib": before,
        "peak_mib": measure.peak_memory(options.device),
        "loss": losses[0],
    }


def ratios(results: dict[str, list[dict[str, Any]]]) -> list[measure.Ratio]:
    """What is claimed."""

    def of(key: str, name: str) -> list[float]:
        return [turn[key] for turn in results[name]]

    speeds = {name: [turn["tokens"] / turn["seconds"] for turn in turns] for name, turns in results.items()}
    sampling = [name for name, ratio in VARIANTS.items() if ratio is not None and ratio < 1]
    return [
        measure.Ratio.of("peak MiB, ours / stock", of("peak_mib", OURS), of("peak_mib", STOCK), at_most=0.5),
        measure.Ratio.of("tokens/s, ours / stock", speeds[OURS], speeds[STOCK], at_least=1.3),
        *(
            measure.Ratio.of(f"s/step, {name} / ratio 1", of("seconds", name), of("seconds", OURS), at_most=1.35)
            for name in sampling
        ),
    ]


def row(name: str, turns: list[dict[str, Any]]) -> list[str]:
    """A line of the table."""
    seconds = [turn["seconds"] for turn in turns]
    return [
        name,
        measure.spread(seconds),
        f"{turns[0]['tokens'] / statistics.median(seconds):,.0f}",
        measure.spread([turn["peak_mib"] for turn in turns], 0),
        f"{statistics.median(turn['model_mib'] for turn in turns):,.0f}",
        f"{turns[0]['loss']:.4f}",
    ]


def make_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = measure.make_parser(__doc__, rounds=3)
    models.add_model_options(parser, vocabulary=135_364, sentences=8, tokens=128)
    parser.set_defaults(encoder_layers=3, label_smoothing=0.1)
    parser.add_argument("--steps", type=int, default=1, metavar="N", help="timed steps of a turn (default: 1)")
    return parser


def main() -> None:
    """Measure and write the report."""
    options = make_parser().parse_args()
    torch.set_num_threads(options.threads)
    results = measure.alternate(
        options.rounds, {name: partial(measure.apart, one_turn, name, options) for name in VARIANTS}
    )
    clock = "on the clock" if options.device == "cuda" else "of processor time"
    report = measure.Report(
        question="criterion",
        title="The criterion, with a large vocabulary",
        device=options.device,
        settings=[
            f"{options.arch} with {options.encoder_layers} encoder layers, {options.vocabulary:,} symbols, "
            f"{options.sentences} x {options.tokens} tokens, {options.precision}, dropout {options.dropout}, "
            f"label smoothing {options.label_smoothing}",
            f"{options.rounds} rounds of {options.steps} steps after a first one; median (range); seconds {clock}",
            *([options.note] if options.note else []),
        ],
        headers=["criterion", "s/step", "tokens/s", "peak MiB", "of it the model", "loss at the start"],
        rows=[row(name, turns) for name, turns in results.items()],
        ratios=ratios(results),
        raw=results,
    )
    report.write(options.output)


if __name__ == "__main__":
    run_command(main)
