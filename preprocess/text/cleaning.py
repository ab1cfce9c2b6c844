"""Line cleaning: its options, the steps that look at a single line, and the steps that compare lines."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import regex
from tqdm import tqdm

from swcm_fairseq.errors import InputError
from swcm_fairseq.options import option
from swcm_fairseq.output_files import LineFiles

from ..steps.ledger import Ledger, Reason, Reject, RejectsFile
from ..steps.parallel import ordered_map
from ..steps.schema import COUNT, NOT_NEGATIVE, SHARE, Rule
from .duplicates import Exact, HeldOut, Near
from .filters import FILTERS, LineFilters
from .normalize import TRANSFORMS
from .reading_options import ReadingOptions
from .rewriting import REWRITINGS, RewritingOptions, Rewritings
from .text_files import Block, check_readable_twice, open_lines, read_blocks

RATIO, DUPLICATES = "ratio", "duplicates"
RATIO_PAIRS = 100_000  # pairs from which the expected ratio is estimated
STEPS = (*TRANSFORMS, *REWRITINGS, *FILTERS, RATIO, DUPLICATES)


@dataclass
class CleanOptions(RewritingOptions):
    """Which steps run, and their limits."""

    without: list[str] = option(factory=list, help=f"steps to skip: {', '.join(STEPS)}", metavar="STEP", choices=STEPS)
    min_chars: int = option(1, "length: minimum number of characters", metavar="N", rule=NOT_NEGATIVE)
    min_script: float = option(
        0.5, "script: minimum share of letters in the language's scripts", metavar="SHARE", rule=SHARE
    )
    max_ratio: float = option(
        4.0, "ratio: factor by which a pair's length ratio may differ from the median", metavar="R", rule=COUNT
    )
    boilerplate: Path | None = option(None, "boilerplate: regular expressions, one per line", metavar="FILE")
    fold: bool = option(False, "duplicates: ignore case, spaces and punctuation")
    near: float | None = option(
        None,
        "also leave out lines whose character 5-grams resemble an earlier line's (Jaccard >= J, for example 0.8)",
        metavar="J",
        rule=Rule("must be between 0 and 1", lambda value: 0 < value < 1),
    )
    held_out: list[Path] = option(
        factory=list,
        help="also leave out lines that occur in these files, ignoring case, spaces and punctuation",
        metavar="FILE",
    )

    @property
    def steps(self) -> tuple[str, ...]:
        """The steps to run, in order."""
        return tuple(step for step in STEPS if step not in self.without)

    @property
    def read(self) -> list[Path]:
        """The files that the steps read besides the input."""
        return [*self.held_out, *([self.boilerplate] if self.boilerplate else []), *self.mongolian_spellings]


@dataclass
class CleanedBlock:
    """A block after the steps that look at a single line.

    Attributes:
        lines: lines read.
        rows: (line number, sides) of each remaining line.
        changed: number of lines that each step changed.
        words: step that rewrites words -> counts of words.
        rejects: lines left out.
        position: bytes read so far.
    """

    lines: int
    rows: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    changed: Counter[str] = field(default_factory=Counter)
    words: dict[str, Counter[str]] = field(default_factory=dict)
    rejects: list[Reject] = field(default_factory=list)
    position: int = 0


@dataclass
class LineCleaner:
    """The steps that look at a single line (or pair); sent to each worker process.

    Attributes:
        langs: language of each side.
        options: how lines are read.
        steps: names of the steps to run.
        filters: the filters and their limits.
        rewritings: steps that rewrite words.
        expected_ratio: expected target characters per source character; 0 without pairs.
        max_ratio: a pair's ratio may differ from the expected one by this factor.
    """

    langs: tuple[str, ...]
    options: ReadingOptions
    steps: tuple[str, ...]
    filters: LineFilters
    rewritings: Rewritings
    expected_ratio: float = 0.0
    max_ratio: float = 4.0

    def __call__(self, block: Block) -> CleanedBlock:
        """Clean a block; raises :class:`InputError` at the first invalid line unless invalid lines are skipped."""
        cleaned = CleanedBlock(len(block.sides[0]), position=block.position)
        for number, raw in enumerate(zip(*block.sides, strict=True), start=block.first_line):
            row: list[str] = []
            for line, path, lang in zip(raw, block.paths, self.langs, strict=True):
                text = self._side(line, path, number, lang, cleaned)
                if isinstance(text, Reject):
                    cleaned.rejects.append(text)
                    break
                row.append(text)
            else:
                reason = self._pair_reason(row)
                if reason:
                    cleaned.rejects.append(Reject(str(block.paths[0]), number, reason))
                else:
                    cleaned.rows.append((number, tuple(row)))
        return cleaned

    def _side(self, raw: bytes, path: Path, number: int, lang: str, cleaned: CleanedBlock) -> str | Reject:
        text = self.options.read(raw, path, number)
        if isinstance(text, Reason):
            return Reject(str(path), number, text)
        for name, transform in TRANSFORMS.items():
            if name in self.steps:
                before, text = text, transform(text)
                cleaned.changed[name] += text != before
        for name, rewrite in self.rewritings.of.get(lang, {}).items():
            before, text = text, rewrite(text, cleaned.words.setdefault(name, Counter()))
            cleaned.changed[name] += text != before
        reason = self.filters.reason(text if text.strip() else "", lang)
        return Reject(str(path), number, reason) if reason else text

    def _pair_reason(self, row: list[str]) -> str | None:
        if len(row) < 2 or RATIO not in self.steps or not self.expected_ratio:
            return None
        ratio = len(row[1]) / len(row[0]) / self.expected_ratio
        return None if 1 / self.max_ratio <= ratio <= self.max_ratio else "length ratio"


@dataclass
class CleanedCounts:
    """Counts over all blocks.

    Attributes:
        ledger: lines read, kept and left out.
        changed: number of lines that each step changed.
        words: step that rewrites words -> counts of words.
    """

    ledger: Ledger = field(default_factory=Ledger)
    changed: Counter[str] = field(default_factory=Counter)
    words: dict[str, Counter[str]] = field(default_factory=dict)


@dataclass
class CorpusFilters:
    """The steps that compare lines with each other; run in one process, in line order."""

    exact: Exact | None = None
    near: Near | None = None
    held_out: HeldOut | None = None

    def reason(self, row: tuple[str, ...]) -> str | None:
        """Why a line is left out, or None."""
        if self.held_out is not None and self.held_out.holds(row):
            return "held out"
        if self.exact is not None and self.exact.seen(row):
            return "duplicate"
        return "near duplicate" if self.near is not None and self.near.seen(row) else None


def clean_lines(
    paths: tuple[Path, ...],
    cleaner: LineCleaner,
    corpus: CorpusFilters,
    output: LineFiles,
    rejects: RejectsFile,
    workers: int,
) -> CleanedCounts:
    """Clean files side by side; return the counts."""
    counts = CleanedCounts()
    ledger = counts.ledger
    total = sum(path.stat().st_size for path in paths if path.is_file())
    with tqdm(total=total or None, unit="B", unit_scale=True, desc="cleaning", leave=False, disable=None) as bar:
        for block in ordered_map(cleaner, read_blocks(paths, cleaner.options.max_bytes), workers):
            kept = 0
            for number, row in block.rows:
                reason = corpus.reason(row)
                if reason is None:
                    output.write(row)
                    kept += 1
                else:
                    block.rejects.append(Reject(str(paths[0]), number, reason))
            block.rejects.sort(key=lambda reject: reject.line)
            ledger.add(block.lines, kept, block.rejects)
            rejects.write(block.rejects)
            counts.changed.update(block.changed)
            for step, words in block.words.items():
                counts.words.setdefault(step, Counter()).update(words)
            bar.update(block.position - bar.n)
    ledger.close()
    return counts


def expected_ratio(paths: tuple[Path, ...], options: ReadingOptions) -> float:
    """Target characters per source character: the median over the first pairs; 0 if none has text on both sides."""
    check_readable_twice("--input (or else --without ratio)", paths)
    ratios: list[float] = []
    for block in read_blocks(paths, options.max_bytes):
        for row in zip(*block.sides, strict=True):
            source, target = (len(line.decode(options.encoding, "replace")) for line in row)
            if source and target:
                ratios.append(target / source)
        if len(ratios) >= RATIO_PAIRS:
            break
    return median(ratios) if ratios else 0.0


def read_patterns(path: Path | None) -> list[str]:
    """Regular expressions, one per line; raises :class:`InputError` with the line number of an invalid one."""
    patterns = []
    for number, line in enumerate(open_lines(path) if path else (), start=1):
        try:
            regex.compile(line)
        except regex.error as error:
            raise InputError(f"{path}:{number}: not a regular expression: {error}") from error
        if line:
            patterns.append(line)
    return patterns


def line_cleaner(
    langs: tuple[str, ...], paths: tuple[Path, ...], options: CleanOptions, reading: ReadingOptions
) -> LineCleaner:
    """The cleaner of single lines or pairs; reads the first pairs to estimate their length ratio."""
    on = tuple(name for name in FILTERS if name in options.steps)
    filters = LineFilters(on, options.min_chars, options.min_script, read_patterns(options.boilerplate))
    ratio = expected_ratio(paths, reading) if len(paths) == 2 and RATIO in options.steps else 0.0
    rewritings = Rewritings.build(langs, options, options.steps, reading.encoding)
    return LineCleaner(langs, reading, options.steps, filters, rewritings, ratio, options.max_ratio)


def corpus_filters(options: CleanOptions, encoding: str) -> CorpusFilters:
    """The filters that compare lines; reads the held-out files."""
    held_out = (line for path in options.held_out for line in open_lines(path, encoding=encoding))
    return CorpusFilters(
        Exact(options.fold) if DUPLICATES in options.steps else None,
        Near(options.near) if options.near else None,
        HeldOut(held_out) if options.held_out else None,
    )
