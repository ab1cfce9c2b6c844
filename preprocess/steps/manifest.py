"""The manifest of ``preprocess.run``: a YAML file that names corpora, languages and steps."""

from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from swcm_fairseq.data.languages import check_code
from swcm_fairseq.errors import InputError

from ..clean import STEPS, check_ranges
from ..databin.corpus_specs import CORPUS_NAME, SPLIT_NAME
from ..readers import FORMATS
from ..readers.records import Use

# Options of preprocess.clean -> (types of the value, or of the items of a list; what it is).
CLEAN_OPTIONS: dict[str, tuple[tuple[type, ...], str]] = {
    "without": ((str,), "a list of steps"),
    "min_chars": ((int,), "a number"),
    "min_script": ((int, float), "a number"),
    "max_ratio": ((int, float), "a number"),
    "boilerplate": ((str,), "a file"),
    "fold": ((bool,), "true or false"),
    "near": ((int, float), "a number"),
    "held_out": ((str,), "a list of files"),
}
_LISTS = ("without", "held_out")


@dataclass
class CorpusEntry:
    """One corpus of a manifest.

    Attributes:
        name: of the corpus; also of its intermediate files.
        format: how it is written (preprocess.extract).
        input: its files or folder.
        lang: language, or two as ``zh-bo``.
        published: where its authors publish it, for the message if it is missing.
        use: what to make of it (default: the format's first).
        split: name of its split, or shares of each: ``{train: 0.98, valid: 0.02}``.
        fields: names of its fields (preprocess.extract --fields).
        limit: at most so many lines of each split, or of some: ``{train: 500}``.
        min_label: LCSTS: least human_label (preprocess.extract --min-label).
        repeated_paragraphs: leave out paragraphs of so many documents (preprocess.extract --repeated-paragraphs).
        clean: options of preprocess.clean; true for the usual steps, false for none.
    """

    name: str
    format: str
    input: list[str]
    lang: str
    published: str = ""
    use: str = ""
    split: str | dict[str, float] = "train"
    fields: dict[str, str] = field(default_factory=dict)
    limit: int | dict[str, int] | None = None
    min_label: int = 0
    repeated_paragraphs: int | None = None
    clean: bool | dict[str, Any] = True

    @property
    def langs(self) -> tuple[str, ...]:
        """Its language, or the two of pairs."""
        return tuple(self.lang.split("-"))

    @property
    def made(self) -> Use:
        """What is made of it."""
        return Use(self.use) if self.use else FORMATS[self.format].uses[0]

    @property
    def shares(self) -> dict[str, float]:
        """Share of each split."""
        return {self.split: 1.0} if isinstance(self.split, str) else self.split

    @property
    def limits(self) -> dict[str, int]:
        """The most lines of the splits that have a limit."""
        if self.limit is None:
            return {}
        return self.limit if isinstance(self.limit, dict) else dict.fromkeys(self.shares, self.limit)


@dataclass
class Manifest:
    """The content of a manifest.

    Attributes:
        output: data directory.
        vocabulary: vocabulary directory.
        work: folder of the intermediate text.
        corpora: what to read.
        workers: processes.
    """

    output: Path
    vocabulary: Path
    work: Path
    corpora: list[CorpusEntry]
    workers: int = 1


class _Loader(yaml.SafeLoader):
    """YAML without what PyYAML passes over: a key that is repeated, a value that cannot be what it looks like."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """The keys and values of a mapping; raises if a key is there twice, of which PyYAML would keep the last."""
        node = super().compose_mapping_node(anchor)
        seen = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.composer.ComposerError(None, None, f"the key {key.value!r} is there twice", key.start_mark)
            seen.add(str(key.value))
        return node

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """The value of a node; raises with its line if there is none, as of the date 2024-02-30."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:
            message = f"{node.value!r}: {error}; put text in quotes"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark) from error


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; raises :class:`InputError` that names the key (and the known ones), or the line."""
    try:
        content = yaml.load(path.read_bytes().decode("utf-8"), _Loader)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        raise InputError(f"{path}:{line}: invalid UTF-8; save the manifest as UTF-8") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{path}:{line}: not YAML: {error.problem}") from error
    except (yaml.YAMLError, RecursionError) as error:
        raise InputError(f"{path}: not YAML: {error}") from error
    _check_keys(str(path), content, Manifest)
    if not isinstance(content["corpora"], list) or not content["corpora"]:
        raise InputError(f"{path}: corpora: a list of at least one corpus is needed")
    corpora = [_entry(f"{path}: corpora[{i}]", each) for i, each in enumerate(content["corpora"])]
    _check_names(path, corpora)
    workers = content.get("workers", 1)
    if not _is_count(workers):
        raise InputError(f"{path}: workers: {workers!r} is not a number of at least 1")
    output, vocabulary, work = (
        Path(_names_of_files(f"{path}: {key}", [content[key]])[0]) for key in ("output", "vocabulary", "work")
    )
    return Manifest(output, vocabulary, work, corpora, workers)


def _names_of_files(where: str, names: list[Any]) -> list[str]:
    """``names`` if each is one and there are any; YAML reads a blank as null and 2024 as a number."""
    if not names or not all(isinstance(name, str) and name for name in names):
        raise InputError(f"{where}: {names[0] if len(names) == 1 else names!r} is no name of a file; put it in quotes")
    return names


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _check_keys(where: str, content: Any, kind: type) -> None:
    """Raise if ``content`` is no mapping, has an unknown key, or lacks one without a default."""
    known = [each.name for each in fields(kind)]
    if not isinstance(content, dict):
        raise InputError(f"{where}: expected keys {', '.join(known)}")
    for key in content:
        if key not in known:
            raise InputError(f"{where}: unknown key {key!r}; known are {', '.join(known)}")
    for each in fields(kind):
        key, required = each.name, each.default is MISSING and each.default_factory is MISSING
        if required and key not in content:
            raise InputError(f"{where}: the key {key!r} is missing")


def _entry(where: str, content: Any) -> CorpusEntry:
    _check_keys(where, content, CorpusEntry)
    paths = content["input"] if isinstance(content["input"], list) else [content["input"]]
    entry = CorpusEntry(**{**content, "input": _names_of_files(f"{where}: input", paths)})
    if not isinstance(entry.format, str) or entry.format not in FORMATS:
        raise InputError(f"{where}: unknown format {entry.format!r}; known are {', '.join(FORMATS)}")
    uses = FORMATS[entry.format].uses
    if entry.use and entry.use not in uses:
        raise InputError(f"{where}: use {entry.use!r}: {entry.format} gives {' or '.join(uses)}")
    _check_languages(where, entry)
    _check_splits(where, entry)
    if not isinstance(entry.name, str) or not CORPUS_NAME.fullmatch(entry.name):
        raise InputError(f"{where}: name {entry.name!r}: use letters, digits, _ and -")
    _check_numbers(where, entry)
    if not isinstance(entry.fields, dict):
        raise InputError(f"{where}: fields: {entry.fields!r}: give names as {{text: content}}")
    _check_clean(f"{where}: clean", entry.clean)
    return entry


def _check_numbers(where: str, entry: CorpusEntry) -> None:
    for limit in entry.limit.values() if isinstance(entry.limit, dict) else [entry.limit]:
        if limit is not None and not _is_count(limit):
            raise InputError(f"{where}: limit: {limit!r} is not a number of at least 1")
    for split in entry.limits:
        if split not in entry.shares:
            raise InputError(f"{where}: limit: there is no split {split!r}; there are {', '.join(entry.shares)}")
    if not (entry.min_label == 0 or _is_count(entry.min_label)):
        raise InputError(f"{where}: min_label: {entry.min_label!r} is not a number")
    if entry.repeated_paragraphs is not None and not _is_count(entry.repeated_paragraphs):
        raise InputError(f"{where}: repeated_paragraphs: {entry.repeated_paragraphs!r} is not a number of documents")


def _check_languages(where: str, entry: CorpusEntry) -> None:
    if not isinstance(entry.lang, str):  # YAML reads an unquoted "no" as false
        raise InputError(f'{where}: lang: {entry.lang!r} is not a language; put it in quotes: "no"')
    for code in entry.langs:
        check_code(code)
    expected = 2 if entry.made is Use.PAIR else 1
    if len(entry.langs) != expected:
        form = "two, as zh-bo" if expected == 2 else "one"
        raise InputError(f"{where}: lang {entry.lang!r}: {entry.format} as {entry.made} needs {form}")


def _check_clean(where: str, clean: object) -> None:
    if isinstance(clean, bool):
        return
    if not isinstance(clean, dict):
        raise InputError(f"{where}: {clean!r}: give true, false or options as {{near: 0.8}}")
    for key, value in clean.items():
        if key not in CLEAN_OPTIONS:
            raise InputError(f"{where}: unknown key {key!r}; known are {', '.join(CLEAN_OPTIONS)}")
        types, what = CLEAN_OPTIONS[key]
        items = value if isinstance(value, list) and key in _LISTS else [value]
        if not items or not all(
            isinstance(item, types) and (bool in types or not isinstance(item, bool)) for item in items
        ):
            raise InputError(f"{where}: {key}: {value!r} is not {what}")
        for step in items if key == "without" else ():
            if step not in STEPS:
                raise InputError(f"{where}: without: unknown step {step!r}; known are {', '.join(STEPS)}")
    try:
        check_ranges(
            clean.get("min_chars", 0), clean.get("min_script", 0), clean.get("max_ratio", 1), clean.get("near")
        )
    except InputError as error:
        raise InputError(f"{where}: {error}") from error


def _check_splits(where: str, entry: CorpusEntry) -> None:
    try:
        total = sum(entry.shares.values())
    except (AttributeError, TypeError) as error:
        raise InputError(
            f"{where}: split {entry.split!r}: give a name, or shares as {{train: 0.98, valid: 0.02}}"
        ) from error
    for name in entry.shares:
        if not isinstance(name, str) or not SPLIT_NAME.fullmatch(name):
            raise InputError(f"{where}: {name!r} is no split; use train, valid, test or one of these with a suffix")
    if not abs(total - 1) <= 1e-6 or any(share <= 0 for share in entry.shares.values()):
        raise InputError(f"{where}: split {entry.split!r}: shares are above 0 and sum to 1")


def _check_names(path: Path, corpora: list[CorpusEntry]) -> None:
    seen = set()
    for entry in corpora:
        for split in entry.shares:
            if (entry.name, split) in seen:
                raise InputError(f"{path}: two corpora are named {entry.name!r} with a split {split!r}; rename one")
            seen.add((entry.name, split))
