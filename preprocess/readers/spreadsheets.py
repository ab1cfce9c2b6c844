"""Readers of TSV, CSV and Excel files."""

import csv
import io
import zipfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import openpyxl
from openpyxl.utils.exceptions import InvalidFileException

from swcm_fairseq.errors import InputError
from swcm_fairseq.packed_files import DAMAGED, check_archive

from ..steps.ledger import Reason, Reject
from ..text.text_files import read_whole
from .object_records import DocumentMaker, from_object
from .records import Pair
from .source import Item, Source, numbered_lines


def tsv_pairs(source: Source) -> Iterator[Item]:
    """TSV without a header: two columns, source and target; quotes are ordinary characters."""
    langs = source.pair
    for path, number, line in numbered_lines(source):
        columns = line.split("\t")
        if isinstance(line, Reason):
            yield Reject(str(path), number, line)
        elif len(columns) != 2:
            yield Reject(str(path), number, f"{len(columns)} columns, not 2")
        else:
            yield Pair((str(path), number), *langs, *columns)


def csv_documents(source: Source) -> Iterator[Item]:
    """CSV or Excel with a header: columns ``content`` and ``title``, or those of ``--fields``."""
    make = DocumentMaker.of(source, "content", "title")
    for where, content in rows(source):
        yield content if isinstance(content, Reject) else from_object(where, content, make)


# Language -> the file with all of CMHG in that language. The same folder also has subsets of it:
# average_score_4_or_higher.csv and average_score_below_4.csv.
CMHG_FILES = {"bo": "bo-all.csv", "mn": "mn-all.csv", "ug": "ug-3.csv"}


def cmhg(source: Source) -> Iterator[Item]:
    """CMHG (KEVVVV/CMHG): its folder or CSV files, ``content`` and ``title``; ``--min-label`` limits average_score."""
    make = DocumentMaker.of(source, "content", "title")
    for where, content in rows(replace(source, paths=_cmhg_files(source))):
        if isinstance(content, Reject):
            yield content
        elif source.min_label and not _score(content) >= source.min_label:  # NaN also counts as below
            yield Reject(*where, f"average_score below {source.min_label} or missing")
        else:
            yield from_object(where, content, make)


def _cmhg_files(source: Source) -> list[Path]:
    """The given files; for a folder, the complete file of the chosen language."""
    folder, name = source.paths[0], CMHG_FILES.get(source.lang)
    if not folder.is_dir():
        return source.paths
    if name is None:
        raise InputError(f"{folder}: CMHG has no {source.lang}; give --lang {' or '.join(CMHG_FILES)}")
    return [folder / name if folder.name == source.lang else folder / source.lang / name]


def _score(content: dict) -> float:
    """The mean score of two annotators; NaN for entries without annotation."""
    try:
        return float(content.get("average_score", ""))
    except ValueError:
        return float("nan")


def rows(source: Source) -> Iterator[tuple[tuple[str, int], dict | Reject]]:
    """``(file, row number)`` and the row as column -> text, or a reject; the header is row 1."""
    for path in source.paths:
        read = _excel if path.suffix.lower() == ".xlsx" else _csv
        header: list[str] | None = None
        for number, row in enumerate(read(path, source.encoding), start=1):
            where = (str(path), number)
            if header is None:
                header = [name.strip() for name in row]
            elif len(row) != len(header):
                yield where, Reject(*where, f"{len(row)} columns, not {len(header)}")
            else:
                yield where, dict(zip(header, row, strict=True))


def _csv(path: Path, encoding: str) -> Iterator[list[str]]:
    """Quoted fields may contain line ends, so the file is read as a whole."""
    previous = csv.field_size_limit(1 << 30)
    try:
        yield from csv.reader(io.StringIO(read_whole(path, encoding), newline=""), strict=True)
    except csv.Error as error:
        raise InputError(f"{path}: not CSV: {error}; correct the file or download it again") from error
    finally:
        csv.field_size_limit(previous)


# What openpyxl raises if a file is damaged. SyntaxError: invalid XML, whichever library parses it; RuntimeError: a
# password, or a newer version of the zip format.
_DAMAGED_BOOK = (
    *(*DAMAGED, InvalidFileException, OSError, RuntimeError, SyntaxError),
    *(AttributeError, LookupError, TypeError, ValueError),
)


def _excel(path: Path, _: str) -> Iterator[list[str]]:
    """The first sheet; empty cells are empty strings."""
    try:
        with zipfile.ZipFile(path) as archive:
            check_archive(archive)
        with closing(openpyxl.load_workbook(path, read_only=True, data_only=True)) as book:
            for row in book.worksheets[0].iter_rows(values_only=True):
                yield ["" if cell is None else str(cell) for cell in row]
    except _DAMAGED_BOOK as error:
        raise InputError(f"{path}: not a readable Excel file: {error}; save it without password, or as CSV") from error
