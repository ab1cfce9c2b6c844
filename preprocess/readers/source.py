"""The input and output of all readers, and helpers that several of them use."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any

from swcm_fairseq.errors import InputError

from ..steps.ledger import Reason, Reject
from ..text.text_files import DEFAULT_ENCODING, TextFile
from .records import Record

MAX_RECORD_BYTES = 1 << 26


@dataclass
class Source:
    """A corpus to read.

    Attributes:
        paths: files or folder of the corpus.
        langs: language of the corpus, or the source and target languages of pairs.
        fields: our name for a field (text, title, source, target, ...) -> its name in the corpus.
        encoding: encoding of text files.
        min_label: LCSTS: minimum human_label; CMHG: minimum average_score.
    """

    paths: list[Path]
    langs: tuple[str, ...]
    fields: dict[str, str] = field(default_factory=dict)
    encoding: str = DEFAULT_ENCODING
    min_label: int = 0

    @property
    def lang(self) -> str:
        """The language of documents and questions."""
        if len(self.langs) != 1:
            raise InputError(f"--lang {'-'.join(self.langs)}: this format has one language, e.g. --lang bo")
        return self.langs[0]

    @property
    def pair(self) -> tuple[str, str]:
        """Source and target languages of pairs."""
        if len(self.langs) != 2:
            raise InputError(f"--lang {'-'.join(self.langs)}: this format has two languages, e.g. --lang zh-bo")
        return self.langs[0], self.langs[1]


class FieldError(ValueError):
    """A record lacks a field, or the field is not text."""


def text_field(record: Any, name: str) -> str:
    """A field that must be text; raises :class:`FieldError` for numbers, null and NaN."""
    if name not in record:
        raise FieldError(f"no field {name!r}")
    if not isinstance(record[name], str):
        raise FieldError(f"{name!r} is not text")
    return record[name]


def numbered_lines(source: Source) -> Iterator[tuple[Path, int, str | Reason]]:
    """(file, line number, line) for all files; instead of a line that cannot be decoded or is too long, the reason."""
    for path in source.paths:
        file = TextFile(path, MAX_RECORD_BYTES)
        try:
            for number, raw in enumerate(file.lines(), start=1):
                yield path, number, _decoded(raw, source.encoding)
        finally:
            file.close()


def _decoded(raw: bytes, encoding: str) -> str | Reason:
    if len(raw) > MAX_RECORD_BYTES:
        return Reason.TOO_LONG
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError:
        return Reason.INVALID


@dataclass(frozen=True)
class Unread:
    """A record that is still text, so that a worker process can parse it.

    Attributes:
        where: place of the record in the corpus, as in a record.
        content: the unparsed content at that place.
        read: function of a module, or object, that makes the record; not a closure, because it is sent to the worker.
    """

    where: tuple[str, int]
    content: Any
    read: Callable[[tuple[str, int], Any], Record | Reject]

    def record(self) -> Record | Reject:
        """The record, or a reject with the reason."""
        return self.read(self.where, self.content)


Item = Record | Reject | Unread  # what a reader yields


def side_by_side(source: Source, make: Callable[[tuple[str, int], str, str], Record]) -> Iterator[Record | Reject]:
    """``make(place, line, line)`` over two files; raises :class:`InputError` if their numbers of lines differ."""
    if len(source.paths) != 2:
        raise InputError(f"--input has {len(source.paths)} file(s); give two: source, then target")
    first, second = (numbered_lines(Source([path], source.langs, encoding=source.encoding)) for path in source.paths)
    for number, (one, other) in enumerate(zip_longest(first, second), start=1):
        if one is None or other is None:
            counts = [number - (each is None) + sum(1 for _ in rest) for each, rest in ((one, first), (other, second))]
            sizes = ", ".join(f"{path} has {count}" for path, count in zip(source.paths, counts, strict=True))
            raise InputError(f"the files of a pair need the same number of lines: {sizes}; align them again")
        where = (str(one[0]), number)
        wrong = next((line for line in (one[2], other[2]) if isinstance(line, Reason)), None)
        yield make(where, one[2], other[2]) if wrong is None else Reject(*where, wrong)
