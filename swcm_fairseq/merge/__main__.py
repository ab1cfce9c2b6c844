"""Merge several models trained from the same base into one, without training.

Models are checkpoints of this project or of fairseq, encoders (Hugging Face directories), or state dicts (torch or
safetensors) with the same names and shapes. The output has the same format as the first model. Methods:

  average          weighted average of the models
  task-arithmetic  base + lambda x the weighted sum of the task vectors (model - base)
  ties             trim each task vector to its largest magnitudes, elect a sign for each parameter, and merge the
                   values with that sign (Yadav et al. 2023)
  ties-sv          the same, but the first, most important model keeps a share of the parameters that it would lose in
                   the election, namely those with the smallest margins (Tao et al. 2024)
  dare             drop a random share of each task vector, rescale the rest, then task arithmetic (Yu et al. 2024)
  dare-ties        the same, but with the election of TIES instead of task arithmetic
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.errors import run_command
from swcm_fairseq.merge.merge_recipe import DENSITY, SCOPES, SLACK, Recipe, make_recipe
from swcm_fairseq.merge.method_table import METHODS
from swcm_fairseq.output_files import check_distinct, write_whole

if TYPE_CHECKING:  # --help does not import torch
    from swcm_fairseq.merge.merging import Merge


LISTS = ("--weights", "--densities")  # options that take one number per model


def numbers(text: str) -> list[float]:
    """``0.2,1.0`` -> [0.2, 1.0], for argparse."""
    try:
        return [float(each) for each in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r}: give numbers separated by commas, such as 0.2,1.0") from error


def attached(arguments: Sequence[str]) -> list[str]:
    """Join ``--weights -1,1`` to ``--weights=-1,1``, because argparse mistakes such a list for an option."""
    found: list[str] = []
    for argument in arguments:
        if found and found[-1] in LISTS and argument.startswith("-") and "," in argument:
            found[-1] += f"={argument}"
        else:
            found.append(argument)
    return found


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("merge", __doc__)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL", help="two or more; ties-sv favors the first")
    parser.add_argument("--method", choices=METHODS, required=True, help="see above")
    parser.add_argument(
        "--base", type=Path, help="the model that all were trained from; required by every method but average"
    )
    parser.add_argument("--output", type=Path, required=True, help="file or directory to write")
    parser.add_argument("--weights", type=numbers, metavar="W,W", help="weights of the models (default: 1 each)")
    parser.add_argument(
        "--densities",
        type=numbers,
        metavar="K,K",
        help=f"share of each task vector to keep, 0 < k <= 1 (default: {DENSITY} each)",
    )
    parser.add_argument(
        "--lambda",
        type=float,
        dest="scale",
        metavar="L",
        help="factor of the merged task vector (default: 1)",
    )
    parser.add_argument(
        "--normalize",
        action=argparse.BooleanOptionalAction,
        help="divide by the sum of the weights, which averages task vectors instead of adding them (default: on for "
        "average, ties and ties-sv)",
    )
    parser.add_argument(
        "--slack",
        type=float,
        metavar="S",
        help=f"ties-sv: share of the parameters lost in the election that the first model keeps (default: {SLACK})",
    )
    parser.add_argument(
        "--scope",
        choices=SCOPES,
        default=SCOPES[0],
        help="apply densities and slack to each tensor, as in MergeKit, or to the whole model, as the authors of TIES "
        "do; the latter reads the models several times (default: %(default)s)",
    )
    parser.add_argument("--seed", type=int, default=1, help="random seed of dare and dare-ties (default: %(default)s)")
    parser.add_argument("--shares", type=Path, metavar="FILE", help="also write the table of shares, as JSON")
    return parser


def summary(merge: "Merge", output: Path) -> str:
    """A summary of the merge and its output."""
    from swcm_fairseq.merge.shares import table

    recipe, merged = merge.recipe, len(merge.owners)
    normalized = ", normalized" if recipe.normalize else ""
    scale = "" if merge.base is None else f", lambda {recipe.scale:g}"
    lines = [f"method      {recipe.method.title}{scale}{normalized}"]
    if merge.base is not None:
        lines.append(f"base        {merge.base.path}")
    lines += [f"model       {model.path} ({recipe.describe(i)})" for i, model in enumerate(merge.models)]
    lines += [
        f"merged      {merged:,} tensors, {merged - len(merge.names):,} of them tied to another; "
        f"{merge.parameters:,} parameters",
        f"unchanged   {len(merge.models[0].tensors) - merged:,} tensors without weights",
        f"written to  {output}",
    ]
    if merge.base is not None:
        paths = [model.path for model in merge.models]
        lines += ["", table(paths, merge.shares, recipe.method.elects, recipe.method.slack)]
    return "\n".join(lines)


def provenance(recipe: Recipe, models: list[Path], base: Path | None) -> dict:
    """The inputs and the recipe, as plain data."""
    return {"models": [str(path) for path in models], "base": None if base is None else str(base), **asdict(recipe)}


def main() -> None:
    """Merge, write and print a summary."""
    args = build_parser().parse_args(attached(sys.argv[1:]))
    recipe = make_recipe(
        args.method,
        len(args.models),
        base=args.base,
        weights=args.weights,
        densities=args.densities,
        scale=args.scale,
        normalize=args.normalize,
        slack=args.slack,
        scope=args.scope,
        seed=args.seed,
    )
    from swcm_fairseq.merge.merge_outputs import check_output, write
    from swcm_fairseq.merge.merge_sources import open_model
    from swcm_fairseq.merge.merging import Merge

    models = [open_model(path) for path in args.models]
    base = None if args.base is None else open_model(args.base)
    inputs = [*args.models, *([] if base is None else [base.path])]
    check_distinct(inputs, [args.shares])
    check_output(args.output, inputs, models[0])
    merge = Merge(models, base, recipe)
    write(merge, args.output, provenance(recipe, args.models, args.base))
    print(summary(merge, args.output))
    if args.shares is not None:
        write_shares(merge, args.shares)


def write_shares(merge: "Merge", path: Path) -> None:
    """Write the table of shares as JSON: one object per model, in percent."""
    content = [
        {"model": str(model.path), **shares.percent()} for model, shares in zip(merge.models, merge.shares, strict=True)
    ]
    write_whole(path, (json.dumps(content, indent=2) + "\n").encode())


if __name__ == "__main__":
    run_command(main)
