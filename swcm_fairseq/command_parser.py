"""The parser of a command of ``swcm``."""

import argparse


def command_parser(
    name: str, description: str | None, epilog: str | None = None, usage: str | None = None
) -> argparse.ArgumentParser:
    """A parser for ``swcm NAME``, without options; it does not re-wrap the description and the epilog."""
    return argparse.ArgumentParser(
        prog=f"swcm {name}",
        usage=usage,
        description=description,
        epilog=epilog,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
