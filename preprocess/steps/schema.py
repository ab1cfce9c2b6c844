"""Option dataclasses: one schema for command lines and manifests, with the same types and rules.

A field made by :func:`swcm_fairseq.options.option` may carry ``metavar``, ``choices``, ``rule`` (a :class:`Rule`),
``parse`` (text on the command line -> value) and ``load`` (place and value in a manifest -> value).
"""

import argparse
from collections.abc import Callable
from dataclasses import MISSING, Field, dataclass, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from swcm_fairseq.errors import InputError
from swcm_fairseq.options import flag

Options = TypeVar("Options")


@dataclass(frozen=True)
class Rule:
    """A requirement on a value.

    Attributes:
        text: the requirement, for the message.
        holds: function that returns whether a value meets the requirement.
    """

    text: str
    holds: Callable[[Any], bool]


COUNT = Rule("must be at least 1", lambda value: value >= 1)
NOT_NEGATIVE = Rule("must be at least 0", lambda value: value >= 0)
SHARE = Rule("must be between 0 and 1", lambda value: 0 <= value <= 1)

# Type of a field -> (types of its value in a manifest, description of such a value).
_TYPES: dict[type, tuple[tuple[type, ...], str]] = {
    bool: ((bool,), "true or false"),
    int: ((int,), "a number"),
    float: ((int, float), "a number"),
    str: ((str,), "text; put it in quotes"),
    Path: ((str,), "a file name; put it in quotes"),
}


def add_options(parser: argparse._ActionsContainer, *kinds: type) -> None:
    """Add an option for each field of each option dataclass."""
    for kind in kinds:
        hints = get_type_hints(kind)
        for each in _fields(kind):
            parser.add_argument(flag(each.name), **_argument(each, _without_none(hints[each.name])))


def parsed(kind: type[Options], args: argparse.Namespace) -> Options:
    """The options given on the command line; raises :class:`InputError` that names the flag if a rule is broken."""
    values = {each.name: getattr(args, each.name) for each in _fields(kind)}
    for each in _fields(kind):
        given = values[each.name]
        if "parse" in each.metadata and isinstance(given, str):
            values[each.name] = each.metadata["parse"](given)
        _check_rule(each, values[each.name], f"{flag(each.name)} {given}")
    return kind(**values)


def loaded(kind: type[Options], content: Any, where: str) -> Options:
    """The options given by a mapping in a manifest.

    Raises:
        InputError: a key is unknown or missing, or a value has the wrong type or breaks a rule; names ``where``.
    """
    _check_keys(where, content, kind)
    hints = get_type_hints(kind)
    values = {}
    for each in fields(kind):  # type: ignore[arg-type]
        if each.name in content:
            place = f"{where}: {each.name}"
            value = content[each.name]
            values[each.name] = (
                each.metadata["load"](place, value)
                if "load" in each.metadata
                else load_value(place, value, hints[each.name], each)
            )
            _check_rule(each, values[each.name], f"{place}: {value!r}")
    return kind(**values)


def load_value(where: str, value: Any, hint: Any, of: Field | None = None) -> Any:
    """``value`` as type ``hint``; a single item may replace a list. Raises :class:`InputError` for another type."""
    if get_origin(hint) is UnionType and value is None and NoneType in get_args(hint):
        return None
    hint = _without_none(hint)
    if get_origin(hint) is list:
        items = value if isinstance(value, list) else [value]
        if not items:
            raise InputError(f"{where}: {value!r} is not {_TYPES[get_args(hint)[0]][1]}")
        return [load_value(where, item, get_args(hint)[0], of) for item in items]
    if get_origin(hint) is dict:
        if not isinstance(value, dict):
            raise InputError(f"{where}: {value!r}: give a mapping such as {{name: value}}")
        keys, values = get_args(hint)
        return {
            load_value(where, key, keys): load_value(f"{where}: {key}", item, values) for key, item in value.items()
        }
    if of is not None and value not in of.metadata.get("choices", (value,)):
        item = of.metadata.get("metavar", of.name).lower()
        raise InputError(f"{where}: unknown {item} {value!r}; known {item}s are {', '.join(of.metadata['choices'])}")
    types, what = _TYPES[hint]
    if not isinstance(value, types) or (isinstance(value, bool) and hint is not bool) or value == "":
        raise InputError(f"{where}: {value!r} is not {what}")
    return hint(value)


def _fields(kind: type) -> list[Field]:
    """The fields that are options."""
    return [each for each in fields(kind) if "help" in each.metadata]  # type: ignore[arg-type]


def _argument(each: Field, hint: Any) -> dict[str, Any]:
    """The arguments of ``add_argument`` for a field."""
    default = each.default_factory() if each.default_factory is not MISSING else each.default
    about: dict[str, Any] = {"help": each.metadata["help"], "default": default}
    if default is MISSING:
        about = {"help": each.metadata["help"], "required": True}
    elif default and hint is not bool:
        about["help"] += f" (default: {default})"
    if hint is bool:
        return {**about, "action": "store_true"}
    about |= {key: each.metadata[key] for key in ("metavar", "choices") if key in each.metadata}
    if get_origin(hint) is list and "parse" not in each.metadata:
        return {**about, "nargs": "+", "action": "extend", "type": get_args(hint)[0]}
    return {**about, "type": str if "parse" in each.metadata else hint}


def _without_none(hint: Any) -> Any:
    """``X`` of ``X | None``."""
    kinds = [kind for kind in get_args(hint) if kind is not NoneType] if get_origin(hint) is UnionType else []
    return kinds[0] if len(kinds) == 1 else hint


def _check_rule(each: Field, value: Any, given: str) -> None:
    rule = each.metadata.get("rule")
    if rule is not None and value is not None and not rule.holds(value):
        raise InputError(f"{given}: {rule.text}")


def _check_keys(where: str, content: Any, kind: type) -> None:
    """Raise :class:`InputError` if ``content`` is not a mapping, has an unknown key, or lacks a required one."""
    names = [each.name for each in fields(kind)]  # type: ignore[arg-type]
    required = [each.name for each in _fields(kind) if each.default is each.default_factory is MISSING]
    known = ", ".join(dict.fromkeys([*required, *names]))
    if not isinstance(content, dict):
        raise InputError(f"{where}: expected a mapping with the keys {known}")
    if unknown := [key for key in content if key not in names]:
        raise InputError(f"{where}: unknown key {unknown[0]!r}; known keys are {known}")
    if missing := [key for key in required if key not in content]:
        raise InputError(f"{where}: the key {missing[0]!r} is missing")
