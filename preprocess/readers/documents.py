"""Document readers: MC2, XL-Sum, Ti-SUM and other JSON, Parquet and Arrow, THUCNews, LCSTS, plain text."""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swcm_fairseq.errors import InputError
from swcm_fairseq.packed_files import DAMAGED, check_archive

from ..steps.ledger import Reason, Reject
from .object_records import DocumentMaker, json_objects, objects, rows_of_tables
from .records import Document, Record
from .source import MAX_RECORD_BYTES, Item, Source, Unread, numbered_lines, side_by_side


def mc2(source: Source) -> Iterator[Item]:
    """MC2 (pkupie/mc2_corpus): JSON lines ``title``, ``text``, ``url``; the CulturaX part has empty titles."""
    return objects(source, DocumentMaker.of(source, "text", "title"))


def xlsum(source: Source) -> Iterator[Item]:
    """XL-Sum (csebuetnlp/xl-sum): JSON lines ``id``, ``url``, ``title``, ``summary``, ``text``; the summary is used."""
    return objects(source, DocumentMaker.of(source, "text", "summary"))


def jsonl(source: Source) -> Iterator[Item]:
    """JSON lines with the fields ``text`` and ``title``, or those of ``--fields``."""
    return objects(source, DocumentMaker.of(source, "text", "title"))


def json_array(source: Source) -> Iterator[Item]:
    """JSON files, each a list of objects (MiLiC-Eval) or one object (Ti-SUM): ``text``, ``summary`` or ``--fields``."""
    return json_objects(source, DocumentMaker.of(source, "text", "summary"))


def tables(source: Source) -> Iterator[Item]:
    """Parquet or Arrow files, or a folder of them: columns ``text`` and ``title``, or those of ``--fields``."""
    return rows_of_tables(source.paths, DocumentMaker.of(source, "text", "title"))


def plain(source: Source) -> Iterator[Item]:
    """Plain text, one document per line."""
    for path, number, line in numbered_lines(source):
        where = (str(path), number)
        yield Reject(*where, line) if isinstance(line, Reason) else Document(where, source.lang, line)


def plain_titles(source: Source) -> Iterator[Item]:
    """Two plain text files with the same number of lines: texts, then titles (or summaries)."""
    lang = source.lang
    return side_by_side(source, lambda where, text, title: Document(where, lang, text, title))


def thucnews(source: Source) -> Iterator[Item]:
    """THUCNews: one folder per category, one ``.txt`` file per article, first line the title; unpacked or zipped.

    Articles are sorted by category and number.
    """
    read = ArticleReader(source.lang, source.encoding)
    for name, raw in _articles(source.paths):
        yield Reject(name, 1, "cannot be read") if raw is None else Unread((name, 1), raw, read)


@dataclass(frozen=True)
class ArticleReader:
    """Reads an article of THUCNews from its bytes."""

    lang: str
    encoding: str

    def __call__(self, where: tuple[str, int], raw: bytes) -> Record | Reject:
        """The document, or a reject with the reason."""
        try:
            title, _, body = raw.decode(self.encoding).lstrip("\ufeff").partition("\n")
        except UnicodeDecodeError:
            return Reject(*where, Reason.INVALID)
        # Paragraphs are indented by two U+3000 (ideographic spaces).
        body = "\n".join(line.strip() for line in body.split("\n")).strip()
        return Document(where, self.lang, body, title.strip()) if body else Reject(*where, "no body")


def _order(name: str) -> tuple[str, int, str]:
    path = Path(name)
    return str(path.parent), int(path.stem) if path.stem.isdecimal() else 0, path.stem


def _articles(paths: list[Path]) -> Iterator[tuple[str, bytes | None]]:
    """Name and content of each article; the content is None if it cannot be read or is too long."""
    for path in paths:
        found = False
        for name, raw in _folder(path) if path.is_dir() else _archive(path):
            found = True
            yield name, raw
        if not found:
            raise InputError(f"{path}: contains no .txt files; expected the folder THUCNews or its zip file")


def _folder(path: Path) -> Iterator[tuple[str, bytes | None]]:
    for name in sorted((str(file) for file in path.rglob("*.txt") if not file.is_dir()), key=_order):
        try:
            size = Path(name).stat().st_size
            yield name, Path(name).read_bytes() if Path(name).is_file() and size <= MAX_RECORD_BYTES else None
        except OSError:  # a broken link
            yield name, None


def _archive(path: Path) -> Iterator[tuple[str, bytes | None]]:
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(archive)
            members = [each for each in archive.infolist() if each.filename.endswith(".txt")]
            for member in sorted(
                members, key=lambda each: _order(each.filename)
            ):  # members with the same name are separate articles
                if "__MACOSX" not in member.filename:
                    small = member.file_size <= MAX_RECORD_BYTES
                    yield f"{path}/{member.filename}", archive.read(member) if small else None
    except (*DAMAGED, OSError, RuntimeError) as error:  # RuntimeError: it is encrypted
        raise InputError(f"{path}: neither a folder nor a readable zip file: {error}; download it again") from error


_TAG = re.compile(r"\s*<(/?)(doc|summary|short_text)\b[^>]*>\s*")
_LABEL = re.compile(r"\s*<human_label>(\d+)</human_label>\s*")


def lcsts(source: Source) -> Iterator[Item]:
    """LCSTS (PART_I.txt ...): ``<doc id=0>`` with ``<summary>`` and ``<short_text>``; not XML (no root, bare ``&``).

    The short text becomes the text and the summary the title. Parts II and III have a ``<human_label>`` of 1 to 5.
    """
    parts: dict[str, list[str]] = {}
    start, label, inside = 0, None, ""
    path = source.paths[0]
    for path, number, line in numbered_lines(source):
        tag, score = _TAG.fullmatch(line), _LABEL.fullmatch(line)
        if tag and tag[2] == "doc" and not tag[1]:
            if start:
                yield Reject(str(path), start, "doc without end")
            start, parts, label, inside = number, {"summary": [], "short_text": []}, None, ""
        elif tag and tag[2] == "doc" and start:
            yield _lcsts_record((str(path), start), source, parts, label)
            start = 0
        elif tag and tag[2] != "doc":
            inside = "" if tag[1] else tag[2]
        elif score:
            label = int(score[1])
        elif inside and start:
            parts[inside].append(line)
    if start:
        yield Reject(str(path), start, "doc without end")


def _lcsts_record(
    where: tuple[str, int], source: Source, parts: dict[str, list[str]], label: int | None
) -> Record | Reject:
    wrong = next((line for lines in parts.values() for line in lines if isinstance(line, Reason)), None)
    if wrong is not None:
        return Reject(*where, wrong)
    if label is not None and label < source.min_label:
        return Reject(*where, f"human_label below {source.min_label}")
    text, summary = ("\n".join(line.strip() for line in parts[name]) for name in ("short_text", "summary"))
    return Document(where, source.lang, text, summary)
