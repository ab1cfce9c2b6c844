"""What ``swcm train``, ``swcm generate`` and ``swcm interactive`` share: fairseq's commands with this plugin."""

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

from swcm_fairseq.log_filters import forget_handlers

FULL_HELP = "--full-help"


def read_options(name: str, description: str, options: str) -> bool:
    """Answer ``--help`` without importing fairseq, and complete the options of its command in ``sys.argv``.

    Args:
        name: of fairseq's command, such as ``train``.
        description: what it does and what its arguments are.
        options: the most common options, as shown by ``--help``.

    Returns:
        Whether ``--full-help`` was given, which shows all options of fairseq and of this package and takes seconds.
    """
    arguments = sys.argv[1:]
    if not arguments or {"-h", "--help"} & set(arguments):
        parser = argparse.ArgumentParser(
            prog=f"swcm {name}",
            usage=f"swcm {name} DATA [OPTION...]",
            description=description,
            epilog=f"most common options:\n{options}\n\nAll options are fairseq-{name}'s and those of this package.",
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        parser.add_argument(FULL_HELP, action="store_true", help="describe all options of fairseq and of this package")
        parser.print_help()
        sys.exit(0 if arguments else 2)
    if FULL_HELP in arguments:
        sys.argv = sys.argv[:1]  # fairseq reads it while making its parser
        return True
    if not any(argument.partition("=")[0] == "--user-dir" for argument in arguments):
        sys.argv += ["--user-dir", str(Path(__file__).resolve().parent)]
    return False


def run(name: str, description: str, options: str, parser_name: str) -> None:
    """Run a command of fairseq that needs nothing but the plugin.

    Args:
        name: of fairseq's command, such as ``generate``.
        description: see :func:`read_options`, and so are ``options``.
        parser_name: the function of ``fairseq.options`` that makes its parser.
    """
    full_help = read_options(name, description, options)
    register()
    if full_help:
        return print_full_help(vars(import_module("fairseq.options"))[parser_name])
    vars(import_module(f"fairseq_cli.{name}"))["cli_main"]()


def register() -> None:
    """Register this package with fairseq, once, and leave logging to the command of fairseq that is imported next."""
    if "swcm_fairseq.registration" not in sys.modules:
        from swcm_fairseq import registration  # noqa: F401

        forget_handlers()


def print_full_help(get_parser: Callable[[], argparse.ArgumentParser]) -> None:
    """All options of a command."""
    from swcm_fairseq.command_help import text

    print(f"{get_parser().format_help()}\n{text()}")
