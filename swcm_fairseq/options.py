"""Options: one dataclass field each, with its help text, for fairseq's configurations and for command lines."""

from collections.abc import Callable
from dataclasses import MISSING, field
from typing import Any


def option(default: Any = MISSING, help: str = "", factory: Callable[[], Any] | Any = MISSING, **more: Any) -> Any:
    """A dataclass field with its help text.

    Args:
        default: value when the option is not given; without one it is required.
        help: one line, with unit and source.
        factory: makes the default instead, where it is a list.
        more: further metadata, such as ``metavar``.
    """
    return field(default=default, default_factory=factory, metadata={"help": help, **more})


def flag(name: str) -> str:
    """``encoder_layers`` -> ``--encoder-layers``."""
    return "--" + name.replace("_", "-")
