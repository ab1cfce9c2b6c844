"""Readers of published corpora. To add one, write a function in this package and add a row to :data:`FORMATS`.

The function yields records (:mod:`.records`), rejects, or text that a worker process parses into a record
(:class:`.source.Unread`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from . import documents, pairs, questions, spreadsheets
from .records import Use
from .source import Item, Source


@dataclass(frozen=True)
class Format:
    """One row of the table of formats.

    Attributes:
        name: name of the format on the command line.
        read: function that yields the items of a :class:`Source`, in order.
        uses: what records can be used for, the default first.
    """

    name: str
    read: Callable[[Source], Iterator[Item]]
    uses: tuple[Use, ...]

    @property
    def help(self) -> str:
        """The first line of the reader's docstring."""
        return (self.read.__doc__ or "").split("\n")[0]


_DOCUMENTS = (Use.TEXT, Use.SUMMARY)
_SUMMARIES = (Use.SUMMARY, Use.TEXT)

FORMATS = {
    each.name: each
    for each in (
        Format("mc2", documents.mc2, _DOCUMENTS),
        Format("thucnews", documents.thucnews, _DOCUMENTS),
        Format("plain", documents.plain, (Use.TEXT,)),
        Format("jsonl", documents.jsonl, _DOCUMENTS),
        Format("json", documents.json_array, _SUMMARIES),
        Format("parquet", documents.tables, _DOCUMENTS),
        Format("arrow", documents.tables, _DOCUMENTS),
        Format("csv", spreadsheets.csv_documents, _SUMMARIES),
        Format("cmhg", spreadsheets.cmhg, _SUMMARIES),
        Format("plain-summaries", documents.plain_titles, _SUMMARIES),
        Format("lcsts", documents.lcsts, _SUMMARIES),
        Format("xlsum", documents.xlsum, _SUMMARIES),
        Format("plain-pairs", pairs.plain_pairs, (Use.PAIR,)),
        Format("tsv-pairs", spreadsheets.tsv_pairs, (Use.PAIR,)),
        Format("jsonl-pairs", pairs.json_pairs, (Use.PAIR,)),
        Format("json-pairs", pairs.json_list_pairs, (Use.PAIR,)),
        Format("parquet-pairs", pairs.table_pairs, (Use.PAIR,)),
        Format("arrow-pairs", pairs.table_pairs, (Use.PAIR,)),
        Format("flores", pairs.flores, (Use.PAIR,)),
        Format("tmx", pairs.tmx, (Use.PAIR,)),
        Format("sft-pairs", pairs.sft_pairs, (Use.PAIR,)),
        Format("cmrc2018", questions.cmrc, (Use.ANSWER,)),
        Format("kazqad", questions.kazqad, (Use.ANSWER,)),
        Format("tibetanqa", questions.tibetan_qa, (Use.ANSWER,)),
    )
}
