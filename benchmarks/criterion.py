"""Compare the time and memory of a training step with swcm_cross_entropy and with label_smoothed_cross_entropy.

    python benchmarks/criterion.py                                                    # a CPU, float32
    python benchmarks/criterion.py --device cuda --arch xlm_swcm_base --encoder-layers 12 --sentences 75 \\
        --tokens 256 --precision bf16 --rounds 5 --steps 10

The model (ours) and the batch are the same; only the criterion differs. A step is forward, backward and AdamW.
Sentences have full length, so skipping padding gains nothing. Each turn runs in a separate process.
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
# name -> share of teacher forcing; None is the stock criterion
VARIANTS = {STOCK: None, OURS: 1.0, f"{OURS}, ratio 0.5": 0.5, f"{OURS}, ratio 0": 0.0}


def one_turn(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """The seconds per step after the first, the peak MiB (model alone, total), and the loss of the last step."""
    torch.set_num_threads(options.threads)
    task = models.make_task(options.vocabulary)
    model = models.our_model(options, task, checkpoint_activations=options.checkpoint_activations)
    model.to(options.device, models.PRECISIONS[options.precision]).train()
    schedule = {"teacher_forcing_final_ratio": VARIANTS[name], "teacher_forcing_decay_end": 1}
    stock = name == STOCK
    criterion = models.stock_criterion(options, task) if stock else models.our_criterion(options, task, **schedule)
    size = options.sentences, options.tokens, options.vocabulary, options.device
    sample = models.make_batch(*size, options.padding, facts=not stock)
    before = measure.peak_memory(options.device)
    step, logs = models.plain_step(model, criterion, sample)
    times = [measure.seconds(step, options.device) for _ in range(options.steps + 1)]
    return {
        "seconds": statistics.median(times[1:]),
        "model_mib": before,
        "peak_mib": measure.peak_memory(options.device),
        "loss": float(logs[-1]["loss"]) / sample["ntokens"],
        "replaced": int(logs[-1].get("replaced", 0)),
    }


def ratios(results: dict[str, list[dict[str, Any]]], tokens: int) -> list[measure.Ratio]:
    """The claims; ``tokens`` is the number of tokens per step."""
    seconds = {name: [turn["seconds"] for turn in turns] for name, turns in results.items()}
    speed = {name: [tokens / second for second in turns] for name, turns in seconds.items()}
    memory = {name: [turn["peak_mib"] for turn in turns] for name, turns in results.items()}
    claims = [
        measure.Ratio.of("peak MiB, ours / stock", memory[OURS], memory[STOCK], at_most=0.5),
        measure.Ratio.of("tokens/s, ours / stock", speed[OURS], speed[STOCK], at_least=1.3),
    ]
    for name in list(VARIANTS)[2:]:
        label = f"s/step, scheduled sampling with {name.removeprefix(OURS + ', ')} / teacher forcing"
        claims.append(measure.Ratio.of(label, seconds[name], seconds[OURS], at_most=1.35))
    return claims


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = measure.build_parser(__doc__, rounds=3)
    models.add_model_options(parser, vocabulary=135_364, sentences=16, tokens=128)
    parser.set_defaults(encoder_layers=3, label_smoothing=0.1)
    parser.add_argument("--steps", type=int, default=1, metavar="N", help="timed steps per turn (default: 1)")
    parser.add_argument(
        "--checkpoint-activations", action="store_true", help="recompute activations in the backward pass"
    )
    return parser


def main() -> None:
    """Measure all variants and write the report."""
    options = build_parser().parse_args()
    models.check_model_options(options)
    torch.set_num_threads(options.threads)
    results = measure.alternate(
        options.rounds, {name: partial(measure.apart, one_turn, name, options) for name in VARIANTS}
    )
    rows = []
    for name, turns in results.items():
        times = [turn["seconds"] for turn in turns]
        speed = options.sentences * options.tokens / statistics.median(times)
        memory = measure.spread([turn["peak_mib"] for turn in turns], 0)
        first = turns[0]
        row = [name, measure.spread(times), f"{speed:,.0f}", memory, f"{first['model_mib']:,.0f}"]
        rows.append([*row, f"{turns[-1]['loss']:.4f}"])
    checkpointed = ", activations checkpointed" if options.checkpoint_activations else ""
    report = measure.Report(
        title="A training step with a large vocabulary",
        device=options.device,
        settings=models.settings(options, checkpointed),
        headers=["criterion", "s/step", "tokens/s", "peak MiB", "peak MiB before the first step", "loss (nats)"],
        rows=rows,
        ratios=ratios(results, options.sentences * options.tokens),
        raw=results,
    )
    report.write(options.output, options.note)


if __name__ == "__main__":
    run_command(main)
