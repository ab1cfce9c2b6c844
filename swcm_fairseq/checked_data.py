"""JSON and YAML from files, validated by the type annotations of a dataclass.

    content = checked(parse_json(text, path), Corpora, str(path))

A wrong type, a missing or unknown key, an infinity or a number that is too large raises an error that names the file,
the key and the expected type: ``corpora.json: corpora[0].splits.train.samples: 'many' is not a whole number``.
"""

import dataclasses
import enum
import json
import math
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

import yaml

from swcm_fairseq.errors import InputError
from swcm_fairseq.packed_files import read_unpacked

MAX_WHOLE_NUMBER = 1 << 53  # larger JSON numbers are not exact, and no count is that large
MAX_YAML_VALUES = 1_000_000  # including those that aliases expand to
SHOWN_CHARS = 40  # maximum length of a wrong value in a message
_NAMES = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}


def read_text(path: Path) -> str:
    """Read a small UTF-8 file, compressed or not; raises :class:`InputError` if it cannot be read or is not UTF-8."""
    try:
        return read_unpacked(path).decode("utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}: invalid UTF-8; save the file as UTF-8") from error


def parse_json(text: str, where: Path | str) -> object:
    """Parse JSON; raises :class:`InputError` if it is invalid, contains an invalid number or is nested too deeply."""
    try:
        return json.loads(text, parse_int=_whole_number, parse_float=_number, parse_constant=_number)
    except json.JSONDecodeError as error:
        raise InputError(f"{where}: not JSON: {error.msg} (line {error.lineno})") from error
    except RecursionError as error:
        raise InputError(f"{where}: this JSON cannot be read, because it is nested too deeply") from error
    except ValueError as error:
        raise InputError(f"{where}: {error}") from error


def _whole_number(digits: str) -> int:
    if len(digits) > len(str(MAX_WHOLE_NUMBER)) + 1 or abs(int(digits)) > MAX_WHOLE_NUMBER:
        raise ValueError(f"the number {_shown(digits)} is too large")
    return int(digits)


def _number(digits: str) -> float:
    if not math.isfinite(float(digits)):
        raise ValueError(f"{_shown(digits)} is not a finite number")
    return float(digits)


class _Loader(yaml.SafeLoader):
    """A YAML loader that rejects repeated keys and invalid values, such as impossible dates, with the line number."""

    def compose_document(self) -> yaml.Node:
        """The document; raises if its aliases expand to too many values or contain themselves."""
        node = super().compose_document()
        if _values_of(node, {}) > MAX_YAML_VALUES:
            raise yaml.composer.ComposerError(None, None, "its aliases expand to too many values", node.start_mark)
        return node

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """The keys and values of a mapping; raises for a repeated key, for which PyYAML would keep the last value."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.composer.ComposerError(None, None, f"the key {key.value!r} occurs twice", key.start_mark)
            seen.add(str(key.value))
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> object:
        """The value of a node; raises an error with its line if the value is invalid, such as the date 2024-02-30."""
        try:
            value = super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError, TypeError) as error:
            message = f"{_shown(node.value)} is not a valid value; if it is text, put it in quotes"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark) from error
        if isinstance(value, (int, float)) and not abs(value) <= MAX_WHOLE_NUMBER:
            message = f"{_shown(node.value)} is too large or not a finite number"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)
        return value


def _values_of(node: yaml.Node, known: dict[int, int]) -> int:
    """The number of values that a node expands to, aliases included; too many for a node that contains itself."""
    if id(node) not in known:
        known[id(node)] = MAX_YAML_VALUES + 1  # applies if the node is reached again below, so it contains itself
        parts = node.value if isinstance(node, yaml.CollectionNode) else []
        pairs = [part if isinstance(part, tuple) else (part,) for part in parts]
        known[id(node)] = 1 + sum(_values_of(part, known) for pair in pairs for part in pair)
    return known[id(node)]


def parse_yaml(text: str, where: Path | str) -> object:
    """Parse YAML; raises :class:`InputError` with the line if it is invalid."""
    try:
        return yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{where}:{line}: not YAML: {error.problem}") from error
    except yaml.reader.ReaderError as error:
        raise InputError(f"{where}: not YAML: the character U+{error.character:04X} is not allowed") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{where}: this YAML cannot be read, because it is nested too deeply") from error


def checked(value: Any, kind: Any, where: str) -> Any:
    """Convert ``value`` to ``kind``.

    Args:
        value: the parsed value.
        kind: a dataclass (for a mapping with its fields as keys), an enumeration, ``int``, ``float``, ``str``,
            ``bool``, None, or a list, tuple, dict or union of these.
        where: file and key, for the message.

    Raises:
        InputError: the value does not fit ``kind``.
    """
    origin, arguments = get_origin(kind), get_args(kind)
    if kind in (Any, object):
        return value
    if dataclasses.is_dataclass(kind):
        return _object(value, kind, where)
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        known = [each.value for each in kind]
        if value not in known:
            raise InputError(f"{where}: {_shown(value)} is not one of {', '.join(map(str, known))}")
        return kind(value)
    if origin in (Union, types.UnionType):
        return _one_of(value, arguments, where)
    if origin in (list, tuple) and isinstance(value, list):
        kinds = arguments if origin is tuple and arguments[-1] is not ... else [arguments[0]] * len(value)
        if len(kinds) != len(value):
            raise InputError(f"{where}: has {len(value)} values instead of {len(kinds)}")
        return origin(checked(each, kinds[i], f"{where}[{i}]") for i, each in enumerate(value))
    if origin is dict and isinstance(value, dict):
        return {
            checked(key, arguments[0], f"{where}: the key {_shown(key)}"): checked(each, arguments[1], f"{where}.{key}")
            for key, each in value.items()
        }
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if origin is None and isinstance(value, kind) and (kind is bool or not isinstance(value, bool)):
        return value
    raise InputError(f"{where}: {_shown(value)} is not {described(kind)}")


def _one_of(value: object, kinds: tuple[Any, ...], where: str) -> Any:
    """Convert ``value`` to the first of ``kinds`` with its type; raises :class:`InputError` if none fits."""
    for kind in kinds:
        if kind is type(None) and value is None:
            return None
        if (get_origin(kind) or kind) is type(value):
            return checked(value, kind, where)
    for kind in kinds:
        if dataclasses.is_dataclass(kind) and isinstance(value, dict):
            return checked(value, kind, where)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
    raise InputError(f"{where}: {_shown(value)} is not {' or '.join(map(described, kinds))}")


def _object(value: object, kind: Any, where: str) -> object:
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    if not isinstance(value, dict):
        raise InputError(f"{where}: {_shown(value)} is not a mapping with the keys {', '.join(fields)}")
    for key in value:
        if key not in fields:
            raise InputError(f"{where}: unknown key {_shown(key)}; known keys are {', '.join(fields)}")
    for name, field in fields.items():
        required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
        if required and name not in value:
            raise InputError(f"{where}: the key {name!r} is missing")
    hints = get_type_hints(kind)
    return kind(**{name: checked(each, hints[name], f"{where}: {name}") for name, each in value.items()})


def described(kind: Any) -> str:
    """The description of a type for messages."""
    origin = get_origin(kind) or kind
    words: dict[type, Callable[[], str]] = {
        list: lambda: "a list",
        tuple: lambda: "a list",
        dict: lambda: "a mapping",
    }
    if dataclasses.is_dataclass(kind):
        return "a mapping"
    return (
        words[origin]() if origin in words else _NAMES.get(kind, kind.__name__ if isinstance(kind, type) else str(kind))
    )


def _shown(value: object) -> str:
    """A value for a message, shortened if necessary."""
    text = json.dumps(value, ensure_ascii=False, default=str) if not isinstance(value, str) else repr(value)
    return text if len(text) <= SHOWN_CHARS else f"{text[:SHOWN_CHARS]}..."
