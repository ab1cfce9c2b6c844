"""Options: one dataclass field each, with its help text, for fairseq's configurations and for command lines."""

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import MISSING, field
from types import SimpleNamespace
from typing import Any

from omegaconf import DictConfig


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


def mapping_of(options: DictConfig | Namespace | SimpleNamespace | None) -> Mapping[str, Any]:
    """Options by name: fairseq has a configuration, a namespace for older architectures, or None."""
    if options is None:
        return {}
    return options if isinstance(options, DictConfig) else vars(options)
