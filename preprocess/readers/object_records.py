"""Records from objects: JSON lines, JSON files, and rows of Parquet and Arrow files."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from swcm_fairseq.checked_data import parse_json
from swcm_fairseq.errors import InputError

from ..steps.ledger import Reason, Reject
from ..text.text_files import read_whole
from .records import Document, Pair, Record
from .source import FieldError, Item, Source, Unread, numbered_lines, text_field
from .tables import is_table, table_files, table_rows

ObjectReader = Callable[[tuple[str, int], dict], Record]


def objects(source: Source, make: ObjectReader) -> Iterator[Item]:
    """Records made from JSON lines or from rows of Parquet and Arrow files, which are recognized by content."""
    for path in source.paths:
        if is_table(path):
            yield from rows_of_tables([path], make)
        else:
            yield from json_lines(replace(source, paths=[path]), make)


def rows_of_tables(paths: list[Path], make: ObjectReader) -> Iterator[Item]:
    """Records made from Parquet and Arrow files, or folders of them; rows that lack a field are rejected."""
    for path in table_files(paths):
        for where, row in table_rows(path):
            yield from_object(where, row, make)


def json_lines(source: Source, make: ObjectReader) -> Iterator[Item]:
    """One record per line; lines that are not JSON objects or lack a field are rejected."""
    read = JSONReader(make)
    for path, number, line in numbered_lines(source):
        where = (str(path), number)
        if isinstance(line, Reason):
            yield Reject(*where, line)
        elif not line.strip():
            yield Reject(*where, "blank")
        else:
            yield Unread(where, line, read)


@dataclass(frozen=True)
class JSONReader:
    """Reads a record from a line of JSON."""

    make: ObjectReader

    def __call__(self, where: tuple[str, int], line: str) -> Record | Reject:
        """The record, or a reject with the reason."""
        try:
            content = parse_json(line, "")
        except InputError:
            return Reject(*where, "not JSON")
        return from_object(where, content, self.make)


def from_object(where: tuple[str, int], content: Any, make: ObjectReader) -> Record | Reject:
    """The record made from a JSON object, or a reject with the reason."""
    if not isinstance(content, dict):
        return Reject(*where, "not a JSON object")
    try:
        return make(where, content)
    except FieldError as error:
        return Reject(*where, str(error))


def json_objects(source: Source, make: ObjectReader) -> Iterator[Item]:
    """Records made from JSON files, each a list of objects or one object."""
    for path in source.paths:
        content = read_json(path, source.encoding)
        for number, each in enumerate(content if isinstance(content, list) else [content], start=1):
            yield from_object((str(path), number), each, make)


def read_json(path: Path, encoding: str) -> Any:
    """The content of a JSON file; raises :class:`InputError` if it is not JSON."""
    return parse_json(read_whole(path, encoding), path)


@dataclass(frozen=True)
class DocumentMaker:
    """Makes documents from objects; a missing title becomes an empty string."""

    lang: str
    text: str
    title: str

    @classmethod
    def of(cls, source: Source, text: str, title: str) -> "DocumentMaker":
        """A maker that reads the fields of ``source.fields``; they default to the given ones."""
        return cls(source.lang, source.fields.get("text", text), source.fields.get("title", title))

    def __call__(self, where: tuple[str, int], content: dict) -> Document:
        """The document; raises :class:`FieldError`."""
        title = "" if content.get(self.title) is None else text_field(content, self.title)
        return Document(where, self.lang, text_field(content, self.text), title)


@dataclass(frozen=True)
class PairMaker:
    """Makes pairs from the fields of objects or of their ``translation`` object, where `datasets` puts them."""

    langs: tuple[str, str]
    names: tuple[str, str]

    @classmethod
    def of(cls, source: Source) -> "PairMaker":
        """A maker that reads the fields of ``source.fields``; they default to the language codes."""
        first, second = source.pair
        return cls((first, second), (source.fields.get("source", first), source.fields.get("target", second)))

    def __call__(self, where: tuple[str, int], content: dict) -> Pair:
        """The pair; raises :class:`FieldError`."""
        inner = content.get("translation")
        if isinstance(inner, dict):
            content = inner
        return Pair(where, *self.langs, text_field(content, self.names[0]), text_field(content, self.names[1]))
