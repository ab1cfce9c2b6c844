"""Clean text, line by line: every step has a name, can be left out, and is counted.

Steps that change lines:  controls, invisible (zero-width and bidirectional characters without meaning), unicode (NFC,
presentation forms to letters), spaces.
Steps that leave lines out:  length, letters (none), boilerplate (links, --boilerplate), script, language (an offline
identifier that is sure), ratio (pairs only), duplicates, and on demand near duplicates and held-out lines.
"""

import argparse
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

import regex
from tqdm import tqdm

from swcm_fairseq.data.languages import check_code
from swcm_fairseq.errors import InputError, exists, run_command
from swcm_fairseq.output_files import LineFiles, check_distinct

from .steps.ledger import Ledger, Reason, Reject, RejectsFile
from .steps.parallel import ordered_map
from .steps.terminal import percent, print_next, print_table
from .text.duplicates import Exact, HeldOut, Near
from .text.filters import FILTERS, LineFilters, unfit_steps
from .text.normalize import TRANSFORMS
from .text.reading_options import ReadingOptions, add_reading_options
from .text.text_files import Block, check_readable_twice, open_lines, read_blocks

RATIO, DUPLICATES = "ratio", "duplicates"
RATIO_PAIRS = 100_000  # that the usual ratio is taken from
STEPS = (*TRANSFORMS, *FILTERS, RATIO, DUPLICATES)


@dataclass
class CleanedBlock:
    """A block after the steps that look at one line alone.

    Attributes:
        lines: lines read.
        rows: (line number, the sides) of what is left.
        changed: lines that each step changed.
        rejects: what was left out.
        position: bytes read so far.
    """

    lines: int
    rows: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    changed: Counter[str] = field(default_factory=Counter)
    rejects: list[Reject] = field(default_factory=list)
    position: int = 0


@dataclass
class LineCleaner:
    """The steps that look at one line (or pair) alone; sent to each worker process.

    Attributes:
        langs: language of each side.
        options: how lines are read.
        steps: names of the steps that are on.
        filters: limits of the filters.
        expected_ratio: characters of target a character of source in the usual pair; 0 without pairs.
        max_ratio: a pair's ratio may differ from the expected one by this factor.
    """

    langs: tuple[str, ...]
    options: ReadingOptions
    steps: tuple[str, ...]
    filters: LineFilters
    expected_ratio: float = 0.0
    max_ratio: float = 4.0

    def __call__(self, block: Block) -> CleanedBlock:
        """Clean a block; raises :class:`InputError` at the first invalid line unless those are skipped."""
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
        reason = self.filters.reason(text if text.strip() else "", lang)
        return Reject(str(path), number, reason) if reason else text

    def _pair_reason(self, row: list[str]) -> str | None:
        if len(row) < 2 or RATIO not in self.steps or not self.expected_ratio:
            return None
        ratio = len(row[1]) / len(row[0]) / self.expected_ratio
        return None if 1 / self.max_ratio <= ratio <= self.max_ratio else "length ratio"


@dataclass
class CorpusFilters:
    """The steps that compare lines with others; run in one process, in the order of the lines."""

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


def clean(
    paths: tuple[Path, ...],
    cleaner: LineCleaner,
    corpus: CorpusFilters,
    output: LineFiles,
    rejects: RejectsFile,
    workers: int,
) -> tuple[Ledger, Counter[str]]:
    """Clean files side by side; returns the counts of lines, and of lines changed by each step."""
    ledger, changed = Ledger(), Counter[str]()
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
            changed.update(block.changed)
            bar.update(block.position - bar.n)
    ledger.close()
    return ledger, changed


def expected_ratio(paths: tuple[Path, ...], options: ReadingOptions) -> float:
    """Characters of target a character of source: the median of the first pairs, 0 if none has text on both sides."""
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


def make_parser() -> argparse.ArgumentParser:
    """The command line of ``python -m preprocess.clean``."""
    parser = argparse.ArgumentParser(
        prog="python -m preprocess.clean",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""examples:
  python -m preprocess.clean --lang bo --input bo.txt --output clean/bo.txt --held-out bo.valid.txt bo.test.txt
  python -m preprocess.clean --lang zh-bo --input train.zh train.bo --output clean/train.zh clean/train.bo
""",
    )
    parser.add_argument("--lang", required=True, metavar="LANG|SRC-TGT", help="language, or the two of a pair")
    parser.add_argument("--input", nargs="+", required=True, type=Path, metavar="FILE", help="one file; two of a pair")
    parser.add_argument("--output", nargs="+", required=True, type=Path, metavar="FILE", help="as many files to write")
    parser.add_argument(
        "--without",
        nargs="+",
        action="extend",
        default=[],
        choices=STEPS,
        metavar="STEP",
        help=f"leave out steps: {', '.join(STEPS)}",
    )
    parser.add_argument("--min-chars", type=int, default=1, metavar="N", help="length: least characters (default: 1)")
    parser.add_argument(
        "--min-script",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="script: least share of letters in the language's scripts (default: 0.5)",
    )
    parser.add_argument(
        "--max-ratio",
        type=float,
        default=4.0,
        metavar="R",
        help="ratio: characters of a pair's sides may differ from the usual ratio by this factor (default: 4)",
    )
    parser.add_argument("--boilerplate", type=Path, metavar="FILE", help="boilerplate: patterns (regular expressions)")
    parser.add_argument("--fold", action="store_true", help="duplicates: ignore case, spaces and punctuation")
    parser.add_argument(
        "--near",
        type=float,
        metavar="J",
        help="also leave out lines whose character 5-grams resemble an earlier line's (Jaccard >= J, for example 0.8)",
    )
    parser.add_argument(
        "--held-out",
        nargs="+",
        action="extend",
        default=[],
        type=Path,
        metavar="FILE",
        help="also leave out lines that stand in these files, ignoring case, spaces and punctuation",
    )
    add_reading_options(parser)
    return parser


def check_ranges(min_chars: int, min_script: float, max_ratio: float, near: float | None) -> None:
    """Raise :class:`InputError` for the first number outside its range."""
    if min_chars < 0:
        raise InputError(f"--min-chars {min_chars}: must be at least 0")
    if not 0 <= min_script <= 1:
        raise InputError(f"--min-script {min_script}: must be between 0 and 1")
    if not max_ratio >= 1:
        raise InputError(f"--max-ratio {max_ratio}: must be at least 1")
    if near is not None and not 0 < near < 1:
        raise InputError(f"--near {near}: must be between 0 and 1")


def check_options(args: argparse.Namespace) -> tuple[str, ...]:
    """The languages; raises :class:`InputError` for options that do not fit together."""
    langs = tuple(map(check_code, args.lang.split("-")))
    if not len(args.input) == len(args.output) == len(langs) <= 2:
        raise InputError(
            f"--lang {args.lang} has {len(langs)} language(s), --input {len(args.input)} and --output "
            f"{len(args.output)} file(s); give as many of each, one or two"
        )
    check_distinct([*args.input, *args.held_out, args.boilerplate], [*args.output, args.rejects])
    check_ranges(args.min_chars, args.min_script, args.max_ratio, args.near)
    for path in [*args.input, *args.held_out, *([args.boilerplate] if args.boilerplate else [])]:
        if not exists(path):
            raise InputError(f"{path}: no such file")
    return langs


def read_patterns(path: Path | None) -> list[str]:
    """Regular expressions, one a line; raises :class:`InputError` with the line of a broken one."""
    patterns = []
    for number, line in enumerate(open_lines(path) if path else (), start=1):
        try:
            regex.compile(line)
        except regex.error as error:
            raise InputError(f"{path}:{number}: not a regular expression: {error}") from error
        if line:
            patterns.append(line)
    return patterns


def _held_out(paths: list[Path], encoding: str) -> HeldOut:
    return HeldOut(line for path in paths for line in open_lines(path, encoding=encoding))


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = make_parser().parse_args(argv)
    langs, options, paths = check_options(args), ReadingOptions.of(args), tuple(args.input)
    steps = tuple(step for step in STEPS if step not in args.without)
    on = tuple(name for name in FILTERS if name in steps)
    for lang in dict.fromkeys(langs):
        if unfit := unfit_steps(steps, lang):
            print(f"note: {lang}: what its text looks like is not known, so all lines pass: {', '.join(unfit)}")
    filters = LineFilters(on, args.min_chars, args.min_script, read_patterns(args.boilerplate))
    ratio = expected_ratio(paths, options) if len(paths) == 2 and RATIO in steps else 0.0
    cleaner = LineCleaner(langs, options, steps, filters, ratio, args.max_ratio)
    held_out = _held_out(args.held_out, options.encoding) if args.held_out else None
    exact = Exact(args.fold) if DUPLICATES in steps else None
    corpus = CorpusFilters(exact, Near(args.near) if args.near else None, held_out)
    with ExitStack() as stack:
        output = stack.enter_context(LineFiles(args.output))
        rejects = stack.enter_context(RejectsFile(args.rejects))
        ledger, changed = clean(paths, cleaner, corpus, output, rejects, args.workers)
        rejects.commit()
        if not ledger.kept:
            raise InputError(f"{paths[0]}: no line is left ({ledger.describe()})")
        output.commit()
    print_counts(ledger, changed)
    print_next(f"python -m preprocess.binarize --vocab VOCAB --output data-bin {_binarize_flag(args)}")


def print_counts(ledger: Ledger, changed: Counter[str]) -> None:
    """What was changed and left out, by step and reason."""
    rows: list[list[object]] = [["read", ledger.lines, ""]]
    rows += [[f"changed by {step}", count, percent(count, ledger.lines)] for step, count in changed.items() if count]
    rows += [
        [f"left out: {reason}", count, percent(count, ledger.lines)]
        for reason, count in sorted(ledger.left_out.items())
    ]
    print_table(["", "lines", ""], [*rows, ["kept", ledger.kept, percent(ledger.kept, ledger.lines)]])


def _binarize_flag(args: argparse.Namespace) -> str:
    flag = "--mono" if len(args.output) == 1 else "--pair"
    return f"{flag} {args.lang}:train={','.join(map(str, args.output))}"


if __name__ == "__main__":
    run_command(main)
