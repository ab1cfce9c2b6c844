"""Pair readers: two plain files, OPUS, TMX, the Tibetan-Chinese SFT pairs, JSON, Parquet and Arrow, FLORES+."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError

from defusedxml.common import DefusedXmlException
from defusedxml.ElementTree import iterparse

from swcm_fairseq.data.languages import language
from swcm_fairseq.errors import InputError

from ..steps.ledger import Reason, Reject
from ..text.text_files import TextFile
from .object_records import PairMaker, json_objects, objects, rows_of_tables
from .records import Document, Pair, Record
from .source import Item, Source, Unread, numbered_lines, side_by_side, text_field


def plain_pairs(source: Source) -> Iterator[Item]:
    """Two plain text files with the same number of lines: source, then target (OPUS's Moses format, FLORES, ...)."""
    langs = source.pair
    return side_by_side(source, lambda where, one, other: Pair(where, *langs, one, other))


def json_pairs(source: Source) -> Iterator[Item]:
    """JSON lines with one field per language (``{"zh": ..., "bo": ...}``), or the fields of ``--fields``."""
    return objects(source, PairMaker.of(source))


def json_list_pairs(source: Source) -> Iterator[Item]:
    """JSON files, each a list of objects with one field per language (MiLiC-Eval), or the fields of ``--fields``."""
    return json_objects(source, PairMaker.of(source))


def table_pairs(source: Source) -> Iterator[Item]:
    """Parquet or Arrow files, or a folder of them: one column per language, or ``translation`` with both texts."""
    return rows_of_tables(source.paths, PairMaker.of(source))


def flores(source: Source) -> Iterator[Item]:
    """FLORES+: its folder ``dev`` or ``devtest``, or two of its files (``<code>.jsonl``); matched by ``id``."""
    langs = source.pair
    ours, theirs = (_flores_sentences(path, lang) for path, lang in zip(_flores_files(source), langs, strict=True))
    others: dict[str, Document] = {}
    for item in theirs:
        if isinstance(item, Reject) or others.setdefault(item.title, item) is not item:
            yield item if isinstance(item, Reject) else Reject(*item.where, "repeated id")
    for item in ours:
        if isinstance(item, Reject):
            yield item
        elif (other := others.pop(item.title, None)) is None:
            yield Reject(*item.where, f"no translation in {langs[1]}")
        else:
            yield Pair(item.where, *langs, item.text, other.text)
    for other in others.values():
        yield Reject(*other.where, f"no translation in {langs[0]}")


def _flores_files(source: Source) -> list[Path]:
    """The files of both languages; in a folder, they are named by FLORES+ language codes."""
    if len(source.paths) == 1 and source.paths[0].is_dir():
        return [_flores_file(source.paths[0], lang) for lang in source.pair]
    if len(source.paths) != 2:
        raise InputError(f"{source.paths[0]}: give the folder dev or devtest of FLORES+, or two files: source, target")
    return source.paths


def _flores_file(folder: Path, lang: str) -> Path:
    code = language(lang).flores
    if not code:
        raise InputError(f"{folder}: unknown FLORES+ code for language {lang}; give the two files: source, target")
    found = next((path for ending in (".jsonl", ".parquet") if (path := folder / f"{code}{ending}").is_file()), None)
    if found is None:
        raise InputError(f"{folder / code}.jsonl: no such file; give the folder dev or devtest of FLORES+")
    return found


def _flores_sentences(path: Path, lang: str) -> Iterator[Document | Reject]:
    """The sentences of a file; the title of each is its id."""
    for item in objects(Source([path], (lang,)), FloresMaker(lang)):
        record = item.record() if isinstance(item, Unread) else item
        if isinstance(record, Document | Reject):
            yield record


@dataclass(frozen=True)
class FloresMaker:
    """Makes a document from an object of FLORES+; its title is the id or, if there is none, the line number."""

    lang: str

    def __call__(self, where: tuple[str, int], content: dict) -> Document:
        """The document; raises :class:`FieldError`."""
        return Document(where, self.lang, text_field(content, "text"), str(content.get("id", where[1])))


_SFT = re.compile(r"Source:(.*?)Target:(.*)", re.DOTALL)


def sft_pairs(source: Source) -> Iterator[Item]:
    """Tibetan-Chinese SFT pairs (shajiu): ``Source:<text>Target:<text>`` on one line, without a tab."""
    langs = source.pair
    for path, number, line in numbered_lines(source):
        match = _SFT.fullmatch(line.strip())
        if isinstance(line, Reason):
            yield Reject(str(path), number, line)
        elif match is None or match[2].count("Target:"):
            yield Reject(str(path), number, "not Source:...Target:...")
        else:
            yield Pair((str(path), number), *langs, match[1].strip(), match[2].strip())


_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def tmx(source: Source) -> Iterator[Item]:
    """TMX: ``<tu>`` units with one ``<tuv xml:lang=..>`` per language; ``zh-CN`` counts as ``zh``."""
    langs = source.pair
    for path in source.paths:
        file = TextFile(path, 0)
        number = 0
        try:
            for _, element in iterparse(_Stream(file), forbid_dtd=False):
                if element.tag.endswith("tu"):
                    number += 1
                    yield _unit((str(path), number), element, langs)
                    element.clear()
        except (ParseError, DefusedXmlException, LookupError, ValueError) as error:
            raise InputError(f"{path}: not TMX: {error}; correct the file or download it again") from error
        finally:
            file.close()


def _unit(where: tuple[str, int], unit: Element, langs: tuple[str, str]) -> Record | Reject:
    segments: dict[str, str] = {}
    for variant in unit:
        code = (variant.get(_LANG) or variant.get("lang") or "").replace("_", "-").lower()
        segment = variant.find("seg")
        if segment is not None:
            text = "".join(segment.itertext())
            segments.setdefault(code, text)
            segments.setdefault(code.split("-")[0], text)
    missing = [lang for lang in langs if lang.replace("_", "-").lower() not in segments]
    if missing:
        return Reject(*where, f"no segment in {missing[0]}")
    return Pair(where, *langs, *(segments[lang.replace("_", "-").lower()] for lang in langs))


class _Stream:
    """The decompressed bytes of a file, as a stream for the XML parser."""

    def __init__(self, file: TextFile):
        self._chunks = file.chunks()

    def read(self, _: int) -> bytes:
        """The next chunk; the file determines its size."""
        return next(self._chunks, b"")
