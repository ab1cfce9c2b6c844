"""Common code of ``swcm train``, ``swcm generate`` and ``swcm interactive``: fairseq's commands with this plugin."""

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.log_filters import forget_handlers

FULL_HELP = "--full-help"


def read_options(name: str, description: str, options: str) -> bool:
    """Answer ``--help`` without importing fairseq, and add ``--user-dir`` to ``sys.argv`` for fairseq's command.

    Args:
        name: name of fairseq's command, such as ``train``.
        description: a description of the command and its arguments.
        options: the most common options, as shown by ``--help``.

    Returns:
        Whether ``--full-help`` was given, which shows all options of fairseq and of this package, but takes seconds.
    """
    arguments = sys.argv[1:]
    if not arguments or {"-h", "--help"} & set(arguments):
        parser = command_parser(
            name,
            description,
            epilog=f"most common options:\n{options}\n\nIt takes all options of fairseq-{name} and of this package.",
            usage=f"swcm {name} DATA [OPTION...]",
        )
        parser.add_argument(FULL_HELP, action="store_true", help="describe all options of fairseq and of this package")
        parser.print_help()
        sys.exit(0 if arguments else 2)
    if FULL_HELP in arguments:
        sys.argv = sys.argv[:1]  # fairseq reads it while creating its parser
        return True
    if not any(argument.partition("=")[0] == "--user-dir" for argument in arguments):
        sys.argv += ["--user-dir", str(Path(__file__).resolve().parent)]
    return False


def run(name: str, description: str, options: str, parser_name: str) -> None:
    """Run a fairseq command that needs only the plugin.

    Args:
        name: name of fairseq's command, such as ``generate``.
        description: see :func:`read_options`.
        options: see :func:`read_options`.
        parser_name: the function in ``fairseq.options`` that creates the parser.
    """
    full_help = read_options(name, description, options)
    register()
    if full_help:
        return print_full_help(vars(import_module("fairseq.options"))[parser_name])
    vars(import_module(f"fairseq_cli.{name}"))["cli_main"]()


def register() -> None:
    """Register this package with fairseq, once, and leave logging to the fairseq command that is imported next."""
    if "swcm_fairseq.registration" not in sys.modules:
        from swcm_fairseq import registration  # noqa: F401

        forget_handlers()


def print_full_help(get_parser: Callable[[], argparse.ArgumentParser]) -> None:
    """Print all options of a command."""
    from swcm_fairseq.command_help import text

    print(f"{get_parser().format_help()}\n{text()}")
