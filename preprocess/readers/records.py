"""The records that readers yield, and the plain or parallel text made from them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from ..steps.ledger import Reject

# Everything that any program treats as a line end, with surrounding spaces: a record must be one line for all of them.
_LINE_ENDS = re.compile(r"[ \t]*[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]+[ \t]*")


@dataclass(frozen=True)
class Document:
    """A text, optionally with a title (or summary).

    ``where`` is its place in the corpus: (path, number of the line or record).
    """

    where: tuple[str, int]
    lang: str
    text: str
    title: str = ""


@dataclass(frozen=True)
class Pair:
    """A text and its translation."""

    where: tuple[str, int]
    source_lang: str
    target_lang: str
    source: str
    target: str


@dataclass(frozen=True)
class Question:
    """A question about a passage, with its distinct answers.

    ``repeated`` is the number of repeated answers.
    """

    where: tuple[str, int]
    lang: str
    question: str
    passage: str
    answers: tuple[str, ...]
    repeated: int = field(default=0, compare=False)


Record = Document | Pair | Question

NO_TEXT = "an answer is not text"  # reason for leaving out an answer, not its question


class Use(StrEnum):
    """The kind of text to make from records."""

    TEXT = "text"  # documents: one per line
    SUMMARY = "summary"  # documents: text -> title
    PAIR = "pair"  # pairs: source -> target
    ANSWER = "answer"  # questions: question and passage -> answer


def one_line(text: str) -> str:
    """``text`` on one line: each run of line ends becomes a space."""
    return _LINE_ENDS.sub(" ", text).strip()


def lines_of(record: Record, use: Use, all_answers: bool = False) -> Iterator[tuple[str, ...] | Reject]:
    """The lines of a record for a use: ``(text,)`` or ``(source, target)``, or a reject with the reason.

    A question yields one line with its first answer or, with ``all_answers``, one line per answer.
    """
    match record, use:
        case Document(), Use.TEXT:
            lines: list[tuple[str, ...]] = [(one_line(record.text),)]
        case Document(), Use.SUMMARY:
            lines = [(one_line(record.text), one_line(record.title))]
        case Pair(), Use.PAIR:
            lines = [(one_line(record.source), one_line(record.target))]
        case Question(), Use.ANSWER:
            context = f"{one_line(record.question)} {one_line(record.passage)}".strip()
            lines = [(context, one_line(answer)) for answer in record.answers[: None if all_answers else 1]]
        case _:
            yield Reject(*record.where, f"not usable as {use}")
            return
    for line in lines:
        reason = _problem(line)
        yield Reject(*record.where, reason) if reason else line


def _problem(line: tuple[str, ...]) -> str | None:
    if any("\0" in part for part in line):
        return "NUL byte"
    if any(_surrogate(part) for part in line):
        return "half a surrogate pair"
    if not line[0]:
        return "blank"
    return "no target" if not all(line) else None


def _surrogate(text: str) -> bool:
    """Whether the text contains half a surrogate pair, which JSON can escape but no file can store."""
    return any("\ud800" <= character <= "\udfff" for character in text)
