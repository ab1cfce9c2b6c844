"""Read a corpus as its authors publish it and write text files, a document or pair a line.

Documents become PREFIX.LANG; pairs PREFIX.SRC and PREFIX.TGT; summaries (text -> title) and reading comprehension
(question and passage -> answer) PREFIX.source and PREFIX.target. Line ends inside a text become spaces. Records that
are damaged or lack a field are left out and counted by reason.
"""

import argparse
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from swcm_fairseq.data.languages import check_code
from swcm_fairseq.errors import InputError, exists, run_command
from swcm_fairseq.output_files import LineFiles, check_distinct

from .readers import FORMATS, Format
from .readers.records import Document, Record, Use, lines_of
from .readers.source import Item, Source, Unread
from .steps.ledger import Ledger, Reject, RejectsFile
from .steps.parallel import batches, ordered_map
from .steps.terminal import print_next, print_table
from .text.paragraphs import MOST, Marked, ParagraphCounts, RepeatedParagraphs, document_keys
from .text.reading_options import add_workers_option, check_counts
from .text.text_files import DEFAULT_ENCODING, check_encoding, check_readable_twice

BATCH = 200  # records that a worker process gets at a time


def output_paths(prefix: str, use: Use, langs: tuple[str, ...]) -> list[Path]:
    """The files that are written."""
    if use is Use.TEXT:
        return [Path(f"{prefix}.{langs[0]}")]
    sides = langs if use is Use.PAIR and langs[0] != langs[-1] else ("source", "target")
    return [Path(f"{prefix}.{side}") for side in sides]


@dataclass
class Lines:
    """What records of a corpus give.

    Attributes:
        records: how many there were.
        found: a line (a tuple of its sides) or why there is none, in the order of the records; a document whose
            repeated paragraphs have to be taken out first stands there itself.
    """

    records: int
    found: list[tuple[str, ...] | Reject | Marked]


@dataclass
class LineMaker:
    """Makes lines of records; sent to each worker process.

    Attributes:
        use: what to make of them.
        all_answers: a line for each answer of a question.
        repeated: finds paragraphs that many documents have; None: they stay.
    """

    use: Use
    all_answers: bool = False
    repeated: RepeatedParagraphs | None = None

    def __call__(self, items: list[Item]) -> Lines:
        """The lines of some records."""
        lines = Lines(len(items), [])
        for item in items:
            record = item.record() if isinstance(item, Unread) else item
            marked = self.repeated.mark(record) if self.repeated and isinstance(record, Document) else None
            lines.found += [record] if isinstance(record, Reject) else [marked] if marked else self.lines(record)
        return lines

    def lines(self, record: Record) -> list[tuple[str, ...] | Reject]:
        """The lines of one record."""
        return list(lines_of(record, self.use, self.all_answers))


@dataclass
class Extraction:
    """What was read: records (or answers), and the paragraphs that were left out of documents.

    Attributes:
        records: counts of records.
        paragraphs: repeated paragraphs that were left out.
        documents: documents that lost some.
    """

    records: Ledger = field(default_factory=Ledger)
    paragraphs: int = 0
    documents: int = 0


def items_of(kind: Format, source: Source, work: Callable[[list[Item]], Any], workers: int) -> Iterator[Any]:
    """What ``work`` makes of the corpus, some records at a time, in its order."""
    return ordered_map(work, batches(kind.read(source), BATCH), workers)


def count_paragraphs(kind: Format, source: Source, workers: int) -> ParagraphCounts:
    """In how many documents of a corpus each paragraph stands."""
    counts = ParagraphCounts()
    with tqdm(desc=f"{kind.name} paragraphs", unit=" records", leave=False, disable=None) as bar:
        for records, keys in items_of(kind, source, document_keys, workers):
            counts.add(keys)
            bar.update(records)
    return counts


def extract(
    kind: Format, source: Source, maker: LineMaker, output: LineFiles, rejects: RejectsFile, workers: int
) -> Extraction:
    """Write the lines of a corpus; returns the counts."""
    counts, seen = Extraction(), set[int]()
    with tqdm(desc=kind.name, unit=" records", leave=False, disable=None) as bar:
        for lines in items_of(kind, source, maker, workers):
            for each in lines.found:
                found = [each]
                if isinstance(each, Marked):
                    found = _unmarked(each, maker, seen, counts, rejects)
                left_out = [one for one in found if isinstance(one, Reject)]
                counts.records.add(len(found), len(found) - len(left_out), left_out)
                rejects.write(left_out)
                for line in found:
                    if not isinstance(line, Reject):
                        output.write(line)
            bar.update(lines.records)
    counts.records.close()
    return counts


def _unmarked(
    marked: Marked, maker: LineMaker, seen: set[int], counts: Extraction, rejects: RejectsFile
) -> list[tuple[str, ...] | Reject]:
    """The lines of a document without the paragraphs that came before; counts and writes those."""
    least = maker.repeated.least if maker.repeated else 0
    document, left_out = marked.without(seen, f"stands in {least} documents or more")
    counts.paragraphs += len(left_out)
    counts.documents += bool(left_out)
    rejects.write(left_out)
    return maker.lines(document) if document.text else [Reject(*document.where, "only repeated paragraphs")]


def parse_fields(text: str) -> dict[str, str]:
    """``text=content,title=headline``."""
    fields = dict(part.partition("=")[::2] for part in text.split(",") if part)
    known = ("text", "title", "source", "target")
    for name, value in fields.items():
        if name not in known or not value:
            raise InputError(f"--fields {text}: expected NAME=FIELD,... with NAME one of {', '.join(known)}")
    return fields


def make_parser() -> argparse.ArgumentParser:
    """The command line of ``python -m preprocess.extract``."""
    formats = "\n".join(f"  {name:16} {each.help} [{'/'.join(each.uses)}]" for name, each in FORMATS.items())
    parser = argparse.ArgumentParser(
        prog="python -m preprocess.extract",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"""formats [uses]:
{formats}

examples:
  python -m preprocess.extract mc2 --input bo-crawl-only-release-20231112.jsonl --lang bo --output text/mc2
  python -m preprocess.extract thucnews --input THUCNews.zip --lang zh --use summary --output text/thucnews.train
  python -m preprocess.extract cmrc2018 --input cmrc2018_dev.json --lang zh --output text/cmrc.valid
  python -m preprocess.extract jsonl --fields text=content --input news.jsonl.zst --lang ug --output text/ug
""",
    )
    parser.add_argument("format", choices=list(FORMATS), metavar="FORMAT", help="how the corpus is written, see below")
    parser.add_argument("--input", nargs="+", required=True, type=Path, metavar="PATH", help="its files, or folder")
    parser.add_argument("--lang", required=True, metavar="LANG|SRC-TGT", help="its language; two for pairs")
    parser.add_argument("--output", required=True, metavar="PREFIX", help="of the files to write")
    parser.add_argument(
        "--use", choices=[str(use) for use in Use], help="what to make of it (default: the first of the format)"
    )
    parser.add_argument("--fields", default="", metavar="NAME=FIELD,...", help="names of JSON fields or CSV columns")
    parser.add_argument("--encoding", default=DEFAULT_ENCODING, metavar="NAME", help="of its text (default: utf-8)")
    parser.add_argument("--min-label", type=int, default=0, metavar="N", help="lcsts: least human_label (usual: 3)")
    parser.add_argument("--all-answers", action="store_true", help="a line for each answer, not for the first alone")
    parser.add_argument(
        "--repeated-paragraphs",
        type=int,
        metavar="N",
        help="leave out paragraphs that stand in N documents or more, but for the first of them: menus and notices of "
        "the sites (10 is a good start; default: all stay). Reads the corpus twice",
    )
    parser.add_argument(
        "--rejects", type=Path, metavar="FILE", help="write FILE:LINE:REASON of every record (and paragraph) left out"
    )
    add_workers_option(parser)
    return parser


def check_repeated(least: int | None, kind: Format, paths: list[Path]) -> None:
    """Raise :class:`InputError` if repeated paragraphs cannot be found."""
    if least is None:
        return
    if not 2 <= least <= MOST:
        raise InputError(f"--repeated-paragraphs {least}: give a number of documents from 2 to {MOST}")
    if Use.TEXT not in kind.uses:
        raise InputError(f"--repeated-paragraphs: {kind.name} has no documents")
    check_readable_twice("--repeated-paragraphs", paths)


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = make_parser().parse_args(argv)
    kind = FORMATS[args.format]
    use = Use(args.use) if args.use else kind.uses[0]
    if use not in kind.uses:
        raise InputError(f"--use {use}: {kind.name} gives {' or '.join(kind.uses)}")
    for path in args.input:
        if not exists(path):
            raise InputError(f"{path}: no such file")
    check_counts(args, "workers")
    check_repeated(args.repeated_paragraphs, kind, args.input)
    langs = tuple(map(check_code, args.lang.split("-")))
    source = Source(args.input, langs, parse_fields(args.fields), check_encoding(args.encoding), args.min_label)
    paths = output_paths(args.output, use, langs)
    check_distinct(args.input, [*paths, args.rejects])
    maker = LineMaker(use, args.all_answers)
    if args.repeated_paragraphs is not None:
        counted = count_paragraphs(kind, source, args.workers)
        maker.repeated = RepeatedParagraphs(counted, args.repeated_paragraphs)
    with ExitStack() as stack:
        output = stack.enter_context(LineFiles(paths))
        rejects = stack.enter_context(RejectsFile(args.rejects))
        counts = extract(kind, source, maker, output, rejects, args.workers)
        rejects.commit()
        ledger = counts.records
        if not ledger.kept:
            raise InputError(f"{args.input[0]}: no record is left ({ledger.describe()})")
        output.commit()
    rows = [[" ".join(map(str, paths)), ledger.lines, ledger.kept, ledger.describe()]]
    print_table(["file", "records", "kept", "left out"], rows)
    if maker.repeated:
        print(f"\nleft out of {counts.documents:,} documents: {counts.paragraphs:,} repeated paragraphs")
    print_next(f"python -m preprocess.binarize --vocab VOCAB --output data-bin {_binarize_flag(use, args.lang, paths)}")


def _binarize_flag(use: Use, lang: str, paths: list[Path]) -> str:
    if use is Use.TEXT:
        return f"--mono {lang}:train={paths[0]}"
    langs = lang if use is Use.PAIR else f"{lang}-{lang}:NAME"
    return f"--pair {langs}:train={paths[0]},{paths[1]}"


if __name__ == "__main__":
    run_command(main)
