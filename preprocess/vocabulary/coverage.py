"""How well a vocabulary covers text: tokens per word or syllable, and share of unknown tokens."""

import re
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import sentencepiece
from tqdm import tqdm

from swcm_fairseq.data.languages import check_code
from swcm_fairseq.errors import InputError, exists

from ..steps.parallel import batches, ordered_map
from ..steps.terminal import percent, print_table
from ..text.text_files import open_lines
from ..text.units import count_units, unit_name

MAX_LINES = 100_000
LINES_A_BATCH = 1000
_WITH_LANGUAGE = re.compile(r"([A-Za-z][A-Za-z0-9_-]{0,20})=(.+)", re.DOTALL)


class LanguageFile(NamedTuple):
    """A text file and its language, if given."""

    lang: str | None
    path: Path

    @property
    def label(self) -> str:
        """Name of the file in tables."""
        return f"{self.lang}={self.path.name}" if self.lang else self.path.name


def parse_language_file(spec: str) -> LanguageFile:
    """Parse ``bo=FILE`` or ``FILE``; raises :class:`InputError` if the file does not exist."""
    match = _WITH_LANGUAGE.fullmatch(spec)
    file = LanguageFile(check_code(match[1]), Path(match[2])) if match else LanguageFile(None, Path(spec))
    if not exists(file.path):
        raise InputError(f"{file.path}: no such file")
    return file


@dataclass
class Coverage:
    """Counts over the first lines of a file."""

    lines: int = 0
    units: int = 0
    tokens: int = 0
    unknown: int = 0

    def add(self, other: "Coverage") -> None:
        """Add the counts of more lines."""
        self.lines += other.lines
        self.units += other.units
        self.tokens += other.tokens
        self.unknown += other.unknown

    @property
    def tokens_per_unit(self) -> float:
        """Tokens per word, syllable or character."""
        return self.tokens / self.units if self.units else 0.0


@dataclass
class CoverageCounter:
    """Counts over batches of lines; sent to each worker process."""

    processor: sentencepiece.SentencePieceProcessor
    lang: str | None

    def __call__(self, lines: list[str]) -> Coverage:
        """Counts over some lines."""
        coverage = Coverage(len(lines))
        unknown = self.processor.unk_id()
        for line, ids in zip(lines, self.processor.encode(lines, num_threads=1), strict=True):
            coverage.units += count_units(line, self.lang)
            coverage.tokens += len(ids)
            coverage.unknown += ids.count(unknown)
        return coverage


def measure(processor: sentencepiece.SentencePieceProcessor, file: LanguageFile, workers: int) -> Coverage:
    """Counts over the first :data:`MAX_LINES` lines of a file."""
    coverage = Coverage()
    lines = batches(islice(open_lines(file.path), MAX_LINES), LINES_A_BATCH)
    with tqdm(desc=f"measuring {file.label}", unit=" lines", leave=False, disable=None) as bar:
        for found in ordered_map(CoverageCounter(processor, file.lang), lines, workers):
            coverage.add(found)
            bar.update(found.lines)
    return coverage


def print_coverage(files: list[LanguageFile], coverages: list[Coverage]) -> None:
    """Print one row per file."""
    rows = []
    for file, coverage in zip(files, coverages, strict=True):
        rate = f"{coverage.tokens_per_unit:.2f} per {unit_name(file.lang)}" if coverage.units else "-"
        unknown = percent(coverage.unknown, coverage.tokens)
        rows.append([file.label, coverage.lines, coverage.units, coverage.tokens, rate, unknown])
    print_table(["file", "lines", "words", "tokens", "tokens per word", "unknown"], rows)
