"""Measure how the cost of a training step grows with sentence length, batch size, vocabulary and layer interval X.

    python benchmarks/growth.py                                                          # a CPU, two minutes
    python benchmarks/growth.py --device cuda --arch xlm_swcm_base --precision bf16 --sentences 32 --tokens 256 \\
        --vocabulary 135364 --encoder-layers 12 --rounds 3 --steps 5                     # a GPU

Only one quantity varies at a time; the options set the others. The exponent is the slope of a straight line through the
logarithms: 1 means proportional, 2 means quadratic (as attention is in the length). Memory excludes what the imports
alone need. X is represented by the resulting number of decoder layers. Also draws a figure (pip install
swcm_fairseq[plots]).
"""

import argparse
import copy
import statistics
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import contestants as models
import measure
import numpy as np
import torch
import train_step

from swcm_fairseq.errors import run_command

LENGTHS, BATCHES, VOCABULARIES = [64, 128, 256, 512], [1, 2, 4, 8, 16], [8_000, 30_000, 60_000, 120_000, 250_000]
INTERVALS = [1, 2, 3, 4, 5, 6]
# quantity -> its values and the maximum exponent allowed
AXES: dict[str, tuple[list[int], float]] = {
    "tokens": (LENGTHS, 2.0),
    "sentences": (BATCHES, 1.0),
    "vocabulary": (VOCABULARIES, 1.0),
    "normal_layer_interval": (INTERVALS, 1.0),
}
LABELS = {"tokens": "sentence length", "sentences": "sentences", "vocabulary": "vocabulary"}


def one_point(options: argparse.Namespace) -> dict[str, float]:
    """The seconds per step, and the MiB in addition to those after the imports."""
    before = measure.peak_memory("cpu") if options.device == "cpu" else 0.0
    changes = {"normal_layer_interval": options.normal_layer_interval}
    turn = train_step.one_turn(train_step.OURS, options, changes)
    return {"seconds": turn["seconds"], "mib": turn["peak_mib"] - before}


def points(options: argparse.Namespace, axes: list[str]) -> dict[str, tuple[str, int, argparse.Namespace]]:
    """Name of a point -> quantity, its value, and the options for measuring it."""
    found = {}
    for axis in axes:
        for value in AXES[axis][0]:
            if axis == "normal_layer_interval" and value > options.encoder_layers:
                continue
            changed = copy.copy(options)
            setattr(changed, axis, value)
            found[f"{axis} {value:,}"] = (axis, value, changed)
    return found


def size(axis: str, value: int, options: argparse.Namespace) -> int:
    """The number that costs are plotted against: ``value``, or the number of decoder layers for X = ``value``."""
    if axis != "normal_layer_interval":
        return value
    return len(models.our_config(options, normal_layer_interval=value).layer_plan())


def exponent(sizes: Sequence[float], costs: list[float]) -> float:
    """The slope of a straight line through the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def draw(path: Path, curves: dict[str, dict[str, list[float]]]) -> None:
    """Draw a column of two plots, seconds and MiB, for each quantity."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.2 * len(curves), 5.5), layout="constrained")
    axes = figure.subplots(2, len(curves), squeeze=False)
    for column, (axis, curve) in enumerate(curves.items()):
        for row, (cost, label) in enumerate({"seconds": "seconds per step", "mib": "MiB"}.items()):
            picture = axes[row][column]
            picture.loglog(curve["size"], curve[cost], "o-")
            picture.set(xlabel=LABELS.get(axis, "decoder layers (X = 6 .. 1)"), ylabel=label if column == 0 else "")
            picture.set_title(f"exponent {exponent(curve['size'], curve[cost]):.2f}", fontsize=9)
            picture.grid(True, which="both", alpha=0.3)
    figure.savefig(path, dpi=110)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = measure.build_parser(__doc__, rounds=1)
    models.add_model_options(parser, vocabulary=30_000, sentences=2, tokens=64)
    parser.set_defaults(encoder_layers=6)
    parser.add_argument("--steps", type=int, default=2, metavar="N", help="timed steps per point (default: 2)")
    parser.add_argument(
        "--vary", nargs="+", choices=tuple(AXES), default=list(AXES), help="what to vary (default: all)"
    )
    return parser


def gather(grid: dict[str, Any], results: dict[str, list[dict[str, float]]]) -> dict[str, dict[str, list[Any]]]:
    """Quantity -> its values, the sizes that they represent, and the median costs."""
    curves: dict[str, dict[str, list[Any]]] = {}
    for name, (axis, value, changed) in grid.items():
        curve = curves.setdefault(axis, {"value": [], "size": [], "seconds": [], "mib": []})
        curve["value"].append(value)
        curve["size"].append(size(axis, value, changed))
        for cost in ("seconds", "mib"):
            curve[cost].append(statistics.median(point[cost] for point in results[name]))
    return curves


def row(axis: str, curve: dict[str, list[Any]]) -> tuple[list[str], measure.Ratio]:
    """A row of the table, and the claim that costs grow no faster than the aim allows."""
    slopes = [exponent(curve["size"], curve[cost]) for cost in ("seconds", "mib")]
    cells = [
        LABELS.get(axis, "X (exponents of the number of decoder layers)"),
        ", ".join(f"{value:,}" for value in curve["value"]),
        ", ".join(f"{cost:.2f}" for cost in curve["seconds"]),
        ", ".join(f"{cost:,.0f}" for cost in curve["mib"]),
        *(f"{slope:.2f}" for slope in slopes),
    ]
    claim = f"larger exponent of time and memory: {LABELS.get(axis, 'decoder layers')}"
    return cells, measure.Ratio(claim, [max(slopes)], at_most=AXES[axis][1])


def main() -> None:
    """Measure, draw and write the report."""
    options = build_parser().parse_args()
    options.normal_layer_interval = min(3, options.encoder_layers)
    torch.set_num_threads(options.threads)
    grid = points(options, options.vary)
    results = measure.alternate(
        options.rounds, {name: partial(measure.apart, one_point, changed) for name, (*_, changed) in grid.items()}
    )
    curves = gather(grid, results)
    rows, ratios = zip(*(row(axis, curve) for axis, curve in curves.items()), strict=True)
    report = measure.Report(
        title="How the costs of a training step grow",
        device=options.device,
        settings=models.settings(options, f", X = {options.normal_layer_interval}, unless varied"),
        headers=["varied", "values", "s/step", "MiB", "exponent of time", "exponent of memory"],
        rows=list(rows),
        ratios=list(ratios),
        raw={"curves": curves, "results": results},
    )
    picture = Path(f"{report.stem(options.output)}.png")
    report.notes.append(f"![time and memory, logarithmic]({picture.name})")
    report.write(options.output, options.note)
    draw(picture, curves)


if __name__ == "__main__":
    run_command(main)
