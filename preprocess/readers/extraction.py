"""Extract lines from a published corpus: the options, the work of one process, and the loop over all records."""

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from swcm_fairseq.errors import InputError
from swcm_fairseq.options import option
from swcm_fairseq.output_files import LineFiles

from ..steps.ledger import Ledger, Reject, RejectsFile
from ..steps.parallel import batches, ordered_map
from ..steps.schema import NOT_NEGATIVE, Rule
from ..text.paragraphs import MOST, Marked, ParagraphCounts, RepeatedParagraphs, document_keys
from ..text.reading_options import ENCODING
from ..text.text_files import DEFAULT_ENCODING
from . import Format
from .records import NO_TEXT, Document, Question, Record, Use, lines_of
from .source import Item, Source, Unread

# Reasons why answers are not used.
REPEATED = "repeated"
NOT_FIRST = "not the first (--all-answers takes them)"
BATCH = 200  # records sent to a worker process at a time
FIELDS = ("text", "title", "source", "target")


def parse_fields(text: str) -> dict[str, str]:
    """Parse ``text=content,title=headline``."""
    return dict(part.partition("=")[::2] for part in text.split(",") if part)


@dataclass
class ExtractOptions:
    """How a corpus is read."""

    fields: dict[str, str] = option(
        factory=dict,
        help="names of the corpus's JSON fields or CSV columns",
        metavar="NAME=FIELD,...",
        parse=parse_fields,
        rule=Rule(
            f"give the names of the fields for {', '.join(FIELDS)}, or some of these",
            lambda names: all(name in FIELDS and field for name, field in names.items()),
        ),
    )
    encoding: str = option(DEFAULT_ENCODING, "encoding of the corpus", metavar="NAME", rule=ENCODING)
    min_label: int = option(
        0, "lcsts: minimum human_label (usually 3); cmhg: minimum average_score", metavar="N", rule=NOT_NEGATIVE
    )
    all_answers: bool = option(False, "write one line per answer instead of only one for the first answer")
    repeated_paragraphs: int | None = option(
        None,
        "remove paragraphs that occur in at least N documents, such as menus and notices of websites, from all but the "
        "first of these (start with 10; default: keep all); reads the corpus twice",
        metavar="N",
        rule=Rule(f"give a number of documents from 2 to {MOST}", lambda least: 2 <= least <= MOST),
    )


def check_documents(kind: Format, options: ExtractOptions) -> None:
    """Raise :class:`InputError` if the options need documents and the format has none."""
    if options.repeated_paragraphs is not None and Use.TEXT not in kind.uses:
        raise InputError(f"--repeated-paragraphs: {kind.name} has no documents; omit the option")


def sides_of(use: Use, langs: tuple[str, ...]) -> tuple[str, ...]:
    """The language of each file to write."""
    return langs if use is Use.TEXT or len(langs) == 2 else langs * 2


def output_paths(prefix: str, use: Use, langs: tuple[str, ...]) -> list[Path]:
    """The files to write."""
    if use is Use.TEXT:
        return [Path(f"{prefix}.{langs[0]}")]
    sides = langs if use is Use.PAIR and langs[0] != langs[-1] else ("source", "target")
    return [Path(f"{prefix}.{side}") for side in sides]


@dataclass
class Answered:
    """The lines of a question.

    Attributes:
        found: for each answer, a line or a reject.
        unused: reason -> number of unused answers.
    """

    found: list[tuple[str, ...] | Reject]
    unused: Counter[str]


@dataclass
class Lines:
    """The lines of several records.

    Attributes:
        records: number of records.
        found: for each record, in order: a line (a tuple of its sides) or a reject; for a question, all its answers;
            for a document with repeated paragraphs, the marked document, because these must be removed first.
    """

    records: int
    found: list[tuple[str, ...] | Reject | Marked | Answered]


@dataclass
class LineMaker:
    """Makes lines from records; sent to each worker process.

    Attributes:
        use: use of the records, which determines what is extracted.
        all_answers: whether to make one line per answer to a question.
        repeated: finder of paragraphs that occur in many documents; None to keep them.
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
            if isinstance(record, Question) and self.use is Use.ANSWER:
                unused = Counter({REPEATED: record.repeated})
                unused[NOT_FIRST] = 0 if self.all_answers else len(record.answers) - 1
                lines.found.append(Answered(self.lines(record), +unused))
            else:
                lines.found += [record] if isinstance(record, Reject) else [marked] if marked else self.lines(record)
        return lines

    def lines(self, record: Record) -> list[tuple[str, ...] | Reject]:
        """The lines of one record."""
        return list(lines_of(record, self.use, self.all_answers))


@dataclass
class Extraction:
    """Counts of records, of answers to questions, and of paragraphs left out of documents.

    Attributes:
        records: counts of records.
        answers: counts of answers to questions.
        paragraphs: number of repeated paragraphs left out.
        documents: number of documents that lost paragraphs.
    """

    records: Ledger = field(default_factory=Ledger)
    answers: Ledger = field(default_factory=Ledger)
    paragraphs: int = 0
    documents: int = 0


T = TypeVar("T")


def items_of(kind: Format, source: Source, work: Callable[[list[Item]], T], workers: int) -> Iterator[T]:
    """The results of ``work`` on the corpus, a batch of records at a time, in order."""
    return ordered_map(work, batches(kind.read(source), BATCH), workers)


def count_paragraphs(kind: Format, source: Source, workers: int) -> ParagraphCounts:
    """The number of documents in which each paragraph of a corpus occurs."""
    counts = ParagraphCounts()
    with tqdm(desc=f"{kind.name} paragraphs", unit=" records", leave=False, disable=None) as bar:
        for records, keys in items_of(kind, source, document_keys, workers):
            counts.add(keys)
            bar.update(records)
    return counts


def extract_lines(
    kind: Format, source: Source, maker: LineMaker, output: LineFiles, rejects: RejectsFile, workers: int
) -> Extraction:
    """Write the lines of a corpus; return the counts."""
    counts, seen = Extraction(), set[int]()
    with tqdm(desc=kind.name, unit=" records", leave=False, disable=None) as bar:
        for lines in items_of(kind, source, maker, workers):
            for each in lines.found:
                if isinstance(each, Marked):
                    found = _unmarked(each, maker, seen, counts, rejects)
                else:
                    found = each.found if isinstance(each, Answered) else [each]
                rejects.write(each for each in found if isinstance(each, Reject))
                _count(each, found, counts)
                for line in found:
                    if not isinstance(line, Reject):
                        output.write(line)
            bar.update(lines.records)
    counts.records.close()
    counts.answers.close()
    return counts


def _count(each: object, found: list[tuple[str, ...] | Reject], counts: Extraction) -> None:
    """Count the results of an item: a question is one record, and its answers are counted separately."""
    left_out = [one for one in found if isinstance(one, Reject)]
    kept = len(found) - len(left_out)
    if isinstance(each, Answered):
        counts.records.add(1, min(kept, 1), left_out[:1] if not kept else [])
        counts.answers.add(len(found) + each.unused.total(), kept, left_out)
        counts.answers.left_out.update(each.unused)
    elif left_out and left_out[0].reason == NO_TEXT:
        counts.answers.add(1, 0, left_out)
    else:
        counts.records.add(len(found), kept, left_out)


def _unmarked(
    marked: Marked, maker: LineMaker, seen: set[int], counts: Extraction, rejects: RejectsFile
) -> list[tuple[str, ...] | Reject]:
    """The lines of a document without paragraphs that occurred before, which are counted and written as rejects."""
    least = maker.repeated.least if maker.repeated else 0
    document, left_out = marked.without(seen, f"occurs in at least {least} documents")
    counts.paragraphs += len(left_out)
    counts.documents += bool(left_out)
    rejects.write(left_out)
    return maker.lines(document) if document.text else [Reject(*document.where, "only repeated paragraphs")]
