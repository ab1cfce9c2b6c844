"""Readers of published text classification sets (CINO, Yang et al. 2022, sections 4 and 5)."""

import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from swcm_fairseq.data.languages import BRIDGE
from swcm_fairseq.errors import InputError

from ..steps.ledger import Reason, Reject
from .object_records import read_json
from .records import one_line
from .source import FieldError, Source, numbered_lines, text_field


class Example(NamedTuple):
    """A text and its label as written in the file."""

    where: tuple[str, int]
    text: str
    label: str


class Part(NamedTuple):
    """The file of one language in a split."""

    lang: str
    path: Path


Splits = dict[str, list[Part]]  # train, valid, test.<lang> -> parts
Read = Callable[[Path, str], Iterator[Example | Reject]]


@dataclass(frozen=True)
class ClassificationSet:
    """One row of :data:`SETS`.

    Attributes:
        name: name of the set on the command line.
        classes: names of the classes, in the order of the labels.
        find: function that returns the splits of a directory; raises :class:`InputError` if the layout is not the
            published one.
        read: function that yields the examples of a file, given its path and encoding.
        layout: the published layout, for messages.
        aliases: other spelling of a class -> its name.
        joined_words: whether the language writes no spaces between words although the published text has them.
    """

    name: str
    classes: tuple[str, ...]
    find: Callable[[Path], Splits]
    read: Read
    layout: str
    aliases: dict[str, str] = field(default_factory=dict)
    joined_words: bool = False

    def label(self, example: Example) -> int:
        """The class index of an example; raises :class:`InputError` with file and line for an unknown label."""
        name = self.aliases.get(example.label, example.label)
        if name in self.classes:
            return self.classes.index(name)
        if name.isascii() and name.isdigit() and int(name) < len(self.classes):
            return int(name)
        path, line = example.where
        known = ", ".join(f"{number} {each}" for number, each in enumerate(self.classes))
        raise InputError(f"{path}:{line}: unknown label {example.label!r}; the labels of {self.name} are {known}")


def tab_separated(path: Path, encoding: str) -> Iterator[Example | Reject]:
    """``text<TAB>label`` per line; raises :class:`InputError` at the first line without a label."""
    for _, number, line in numbered_lines(Source([path], (), encoding=encoding)):
        where = (str(path), number)
        if isinstance(line, Reason):
            yield Reject(*where, line)
            continue
        text, tab, label = line.rstrip("\r\n").rpartition("\t")
        if not line.strip():
            yield Reject(*where, Reason.BLANK)
        elif not tab or not label.strip():
            raise InputError(f"{path}:{number}: no label; write text, a tab and the label")
        elif not text.strip():
            yield Reject(*where, "no text")
        else:
            yield Example(where, one_line(text), label.strip())


def label_on_either_side(path: Path, encoding: str) -> Iterator[Example | Reject]:
    """:func:`tab_separated`, or ``label<TAB>text`` with numeric labels, the order that TNCC's authors read."""
    for item in tab_separated(path, encoding):
        if isinstance(item, Example) and item.text.isdecimal() and not item.label.isdecimal():
            item = Example(item.where, one_line(item.label), item.text)
        yield item


def ynat_json(path: Path, encoding: str) -> Iterator[Example | Reject]:
    """A JSON list of objects with ``title`` and ``label``; raises :class:`InputError` for anything else."""
    content = read_json(path, encoding)
    if not isinstance(content, list):
        raise InputError(f"{path}: not a JSON list of objects with title and label")
    for number, item in enumerate(content, start=1):
        where = (str(path), number)
        try:
            title, label = (one_line(text_field(item, name)) for name in ("title", "label"))
        except (FieldError, TypeError) as error:
            raise InputError(f"{path}: object {number}: {error}; YNAT's have guid, title and label") from error
        yield Example(where, title, label) if title else Reject(*where, "no text")


def in_directory(directory: Path, layout: str, names: Iterable[str]) -> list[Path]:
    """The files ``names`` in a directory; raises :class:`InputError` if one is missing."""
    paths = [directory / name for name in names]
    for path in paths:
        if not path.is_file():
            raise InputError(f"{path}: no such file; expected {layout}")
    return paths


_TNCC = "TNCC's train.txt, dev.txt and test.txt, or a single file, which is split 8:1:1"
_WCM = "WCM's zh/train.txt, zh/dev.txt, zh/test.txt and minority/<language>.txt"
_CMNEWS = "CMNews' <language>/train.txt and <language>/dev.txt"
_YNAT = "KLUE's ynat-v1.1_train.json and ynat-v1.1_dev.json (or those of another version)"


def tncc(place: Path) -> Splits:
    """Tibetan; without published splits, a single file."""
    if place.is_file():
        return {"all": [Part("bo", place)]}
    train, dev, test = in_directory(place, _TNCC, ("train.txt", "dev.txt", "test.txt"))
    return {"train": [Part("bo", train)], "valid": [Part("bo", dev)], "test.bo": [Part("bo", test)]}


def wcm(place: Path) -> Splits:
    """Training and validation in Chinese, test sets in all languages."""
    train, dev, test = in_directory(place / BRIDGE, _WCM, ("train.txt", "dev.txt", "test.txt"))
    minority = [Part(path.stem, path) for path in sorted((place / "minority").glob("*.txt"))]
    if not minority:
        raise InputError(f"{place / 'minority'}: contains no language; expected {_WCM}")
    tests = {f"test.{part.lang}": [part] for part in (*minority, Part(BRIDGE, test))}
    return {"train": [Part(BRIDGE, train)], "valid": [Part(BRIDGE, dev)], **tests}


def cmnews(place: Path) -> Splits:
    """Training and validation in the minority languages; the dev sets of all languages serve as test sets."""
    langs = sorted(path.name for path in place.iterdir() if path.is_dir()) if place.is_dir() else []
    minority = [lang for lang in langs if lang != BRIDGE]
    if not minority:
        raise InputError(f"{place}: no folder for a minority language; expected {_CMNEWS}")
    train = [Part(lang, *in_directory(place / lang, _CMNEWS, ["train.txt"])) for lang in minority]
    dev = {lang: Part(lang, *in_directory(place / lang, _CMNEWS, ["dev.txt"])) for lang in langs}
    return {"train": train, "valid": [dev[lang] for lang in minority], **{f"test.{x}": [dev[x]] for x in langs}}


def ynat(place: Path) -> Splits:
    """Korean; the dev set also serves as the test set, as in the paper."""
    versions = sorted(path.name.removesuffix("_train.json") for path in place.glob("ynat-*_train.json"))
    if len(versions) > 1:
        raise InputError(f"{place}: contains {' and '.join(versions)}; keep only one version")
    version = versions[0] if versions else "ynat-v1.1"
    train, dev = in_directory(place, _YNAT, (f"{version}_train.json", f"{version}_dev.json"))
    return {"train": [Part("ko", train)], "valid": [Part("ko", dev)], "test.ko": [Part("ko", dev)]}


def split_in_parts(examples: list[Example], seed: int) -> dict[str, list[Example]]:
    """A random 8:1:1 split, for TNCC without published splits (section 5.4.1)."""
    shuffled = examples.copy()
    random.Random(seed).shuffle(shuffled)
    tenth = max(1, round(len(shuffled) / 10))
    parts = {"test.bo": shuffled[:tenth], "valid": shuffled[tenth : 2 * tenth], "train": shuffled[2 * tenth :]}
    return {name: parts[name] for name in ("train", "valid", "test.bo")}


_YNAT_CLASSES = ("IT/science", "economy", "society", "life and culture", "world", "sports", "politics")
_YNAT_KOREAN = ("IT과학", "경제", "사회", "생활문화", "세계", "스포츠", "정치")

SETS = {
    each.name: each
    for each in (
        ClassificationSet(
            "tncc",
            (
                *("Politics", "Economics", "Education", "Tourism", "Environment", "Language", "Literature", "Religion"),
                *("Arts", "Medicine", "Customs", "Instruments"),
            ),
            tncc,
            label_on_either_side,
            _TNCC,
            joined_words=True,
        ),
        ClassificationSet(
            "wcm",
            (
                *("Arts", "Geography", "History", "Nature", "Natural Science", "Personage", "Technology", "Education"),
                *("Economy", "Health"),
            ),
            wcm,
            tab_separated,
            _WCM,
        ),
        ClassificationSet(
            "cmnews",
            ("Education", "Sports", "Health", "Tourism", "Legal", "Economy", "Culture", "Society"),
            cmnews,
            tab_separated,
            _CMNEWS,
        ),
        ClassificationSet(
            "ynat",
            _YNAT_CLASSES,
            ynat,
            ynat_json,
            _YNAT,
            aliases=dict(zip(_YNAT_KOREAN, _YNAT_CLASSES, strict=True)),
        ),
    )
}
