"""Readers of reading comprehension sets: CMRC 2018 in both layouts (one is SQuAD's), KazQAD, TibetanQA."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from ..steps.ledger import Reject
from .object_records import from_object, objects, read_json
from .records import NO_TEXT, Question
from .source import FieldError, Item, Source, text_field
from .spreadsheets import rows


class Answers(NamedTuple):
    """The distinct answers that are text, in order; the other answers as rejects; the number of repetitions."""

    texts: tuple[str, ...]
    others: list[Reject]
    repeated: int


def _answers(where: tuple[str, int], found: object) -> Answers:
    """The answers to a question (29 in CMRC's dev set are numbers); raises :class:`FieldError`."""
    if not isinstance(found, list):
        raise FieldError("'answers' is not a list")
    texts = [answer for answer in found if isinstance(answer, str) and answer.strip()]
    others = [Reject(*where, NO_TEXT)] * (len(found) - len(texts))
    return Answers(tuple(dict.fromkeys(texts)), others, len(texts) - len(set(texts)))


def cmrc(source: Source) -> Iterator[Item]:
    """CMRC 2018: a list of passages with ``qas``, or SQuAD's layout; ``where`` counts questions.

    Each answer that is not text is rejected; so is a question without a remaining answer.
    """
    for path in source.paths:
        content = read_json(path, source.encoding)
        passages = _squad(content) if isinstance(content, dict) else _plain(content)
        for number, (passage, question, answers) in enumerate(passages, start=1):
            yield from _question((str(path), number), source.lang, question, passage, answers)


def _question(where: tuple[str, int], lang: str, question: object, passage: object, answers: object) -> Iterator[Item]:
    try:
        if not isinstance(question, str) or not isinstance(passage, str):
            raise FieldError("question or passage is not text")
        texts, others, repeated = _answers(where, answers)
    except FieldError as error:
        yield Reject(*where, str(error))
        return
    yield Question(where, lang, question, passage, texts, repeated) if texts else Reject(*where, "no answer")
    yield from others


def _objects(found: object) -> Iterator[dict]:
    """The objects of a list. Anything else becomes an empty object, so that it is rejected later."""
    for each in found if isinstance(found, list) else [{}]:
        yield each if isinstance(each, dict) else {}


def _plain(content: object) -> Iterator[tuple[object, object, object]]:
    for passage in _objects(content):
        for each in _objects(passage.get("qas")):
            yield passage.get("context_text"), each.get("query_text"), each.get("answers")


def _squad(content: dict) -> Iterator[tuple[object, object, object]]:
    for article in _objects(content.get("data")):
        for passage in _objects(article.get("paragraphs")):
            for each in _objects(passage.get("qas")):
                yield passage.get("context"), each.get("question"), _texts(each.get("answers", []))


def _texts(answers: object) -> object:
    """The texts of SQuAD's answers, which are objects; a value that is not a list is returned unchanged."""
    if not isinstance(answers, list):
        return answers
    return [answer.get("text") if isinstance(answer, dict) else None for answer in answers]


def kazqad(source: Source) -> Iterator[Item]:
    """KazQAD: JSON lines ``question``, ``context``, ``answers`` = {"text": [...], "answer_start": [...]}."""
    return objects(source, KazQADMaker(source.lang))


@dataclass(frozen=True)
class KazQADMaker:
    """Makes a question from an object of KazQAD."""

    lang: str

    def __call__(self, where: tuple[str, int], content: dict) -> Question:
        """The question; raises :class:`FieldError`."""
        answers = content.get("answers")
        texts, others, repeated = _answers(where, answers.get("text") if isinstance(answers, dict) else None)
        if others or not texts:
            raise FieldError(others[0].reason if others else "no answer")
        return Question(
            where, self.lang, text_field(content, "question"), text_field(content, "context"), texts, repeated
        )


# Column of TibetanQA -> our field; the passage column is called 文本 in one release and 段落 in the other.
TIBETAN_QA = {"问题": "question", "答案": "answer", "文本": "passage", "段落": "passage"}


def tibetan_qa(source: Source) -> Iterator[Item]:
    """TibetanQA: ``TibetanQA.xlsx`` or ``2000_TibetanQA(v2).csv``, one question per row under a Chinese header."""
    lang = source.lang

    def make(where: tuple[str, int], content: dict) -> Question:
        row = {TIBETAN_QA[name]: value for name, value in content.items() if name in TIBETAN_QA}
        answer = text_field(row, "answer")
        if not answer.strip():
            raise FieldError("no answer")
        return Question(where, lang, text_field(row, "question"), text_field(row, "passage"), (answer,))

    for where, content in rows(source):
        yield content if isinstance(content, Reject) else from_object(where, content, make)
