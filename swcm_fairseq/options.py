"""Options as dataclass fields with help texts, for fairseq's configurations and for command lines."""

from argparse import Namespace
from collections.abc import Callable, Mapping
from dataclasses import MISSING, field, fields
from types import SimpleNamespace
from typing import Any, TypeVar

from omegaconf import DictConfig

T = TypeVar("T")


def option(
    default: T = MISSING,  # type: ignore[assignment]
    help: str = "",
    factory: Callable[[], T] | None = None,
    **more: object,
) -> T:
    """A dataclass field with its help text.

    Args:
        default: value if the option is not given; without a default, the option is required.
        help: a short description, with unit and source.
        factory: creates the default if it is a list.
        more: additional metadata, such as ``metavar``.
    """
    metadata = {"help": help, **more}
    if factory is not None:
        return field(default_factory=factory, metadata=metadata)
    return field(default=default, metadata=metadata)


def flag(name: str) -> str:
    """``encoder_layers`` -> ``--encoder-layers``."""
    return "--" + name.replace("_", "-")


def same_named(kind: type[T], options: object) -> T:
    """An instance of the dataclass ``kind`` whose fields have the values of the options with the same names."""
    return kind(**{each.name: getattr(options, each.name) for each in fields(kind)})  # type: ignore[arg-type]


def mapping_of(options: DictConfig | Namespace | SimpleNamespace | None) -> Mapping[str, Any]:
    """Options by name, from a configuration, a namespace (older fairseq architectures) or None."""
    if options is None:
        return {}
    return options if isinstance(options, DictConfig) else vars(options)
