"""Print options for ``swcm merge``, one line per setting to try; the last word of each line is the setting."""

import argparse
import shlex
from collections.abc import Sequence
from itertools import product

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.merge.method_table import METHODS, Method, Sparsify


def settings_to_try(method: Method, values: Sequence[str]) -> list[tuple[str, str]]:
    """The option to tune and its value, for each setting of two models.

    Numbers stay as written, because the names of runs contain them.
    """
    if not method.needs_base:
        return [("--weights", f"{value},{1 - float(value):g}") for value in values]
    if method.sparsify is Sparsify.NOTHING:
        return [("--lambda", value) for value in values]
    return [("--densities", ",".join(pair)) for pair in product(values, repeat=2)]


def joined(pairs: Sequence[str]) -> str:
    """Densities for the task and each language, from a pair per language; the task's is the first (section 7.1)."""
    return ",".join([pairs[0].partition(",")[0], *(pair.rpartition(",")[2] for pair in pairs)])


def check_numbers(values: Sequence[str]) -> None:
    """Raise :class:`InputError` if there are no values, or one of them is not a number."""
    try:
        numbers = [float(value) for value in values]
    except ValueError:
        numbers = []
    if not numbers:
        raise InputError(f"{' '.join(values)!r}: give numbers separated by spaces, such as 0.4 0.6")


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("merge-settings", __doc__)
    parser.add_argument("method", choices=METHODS, help="method of swcm merge")
    parser.add_argument("values", nargs="+", metavar="VALUES", help="numbers to try, separated by spaces")
    parser.add_argument("--base", default="", metavar="MODEL", help="base model, for methods that need one")
    parser.add_argument("--join", action="store_true", help="join VALUES, one setting per language, into one for all")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Print the settings."""
    args = build_parser().parse_args(argv)
    if args.join:  # not always numbers: a dry run has only placeholders
        print(joined(args.values))
        return
    values = " ".join(args.values).split()
    check_numbers(values)
    method = METHODS[args.method]
    base = ["--base", args.base] if method.needs_base and args.base else []
    for setting in settings_to_try(method, values):
        print(shlex.join([*base, *setting]))


if __name__ == "__main__":
    run_command(main)
