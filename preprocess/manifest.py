"""The manifest of ``preprocess.run``: a YAML file that names corpora, languages and steps."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import yaml

from preprocess.readers import FORMATS
from preprocess.records import Use
from swcm_fairseq.data.languages import check_code
from swcm_fairseq.errors import InputError

CLEAN_OPTIONS = ("without", "min_chars", "min_script", "max_ratio", "boilerplate", "fold", "near", "held_out")


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
        limit: at most so many lines of each split.
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
    limit: int | None = None
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


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; raises :class:`InputError` that names the key (and the known ones), or the line."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: {getattr(error, 'strerror', None) or error}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise InputError(f"{path}:{line}: not YAML: {error.problem}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML: {error}") from error
    _check_keys(str(path), content, Manifest)
    if not isinstance(content["corpora"], list) or not content["corpora"]:
        raise InputError(f"{path}: corpora: a list of at least one corpus is needed")
    corpora = [_entry(f"{path}: corpora[{i}]", each) for i, each in enumerate(content["corpora"])]
    _check_names(path, corpora)
    workers = content.get("workers", 1)
    if not isinstance(workers, int) or workers < 1:
        raise InputError(f"{path}: workers: {workers!r} is not a number of at least 1")
    output, vocabulary, work = (Path(str(content[key])) for key in ("output", "vocabulary", "work"))
    return Manifest(output, vocabulary, work, corpora, workers)


def _check_keys(where: str, content: Any, kind: type) -> None:
    """Raise if ``content`` is no mapping, has an unknown key, or lacks one without a default."""
    known = [each.name for each in fields(kind)]
    if not isinstance(content, dict):
        raise InputError(f"{where}: expected keys {', '.join(known)}")
    for key in content:
        if key not in known:
            raise InputError(f"{where}: unknown key {key!r}; known are {', '.join(known)}")
    optional = {"published", "use", "split", "fields", "limit", "clean", "workers"}
    for key in known:
        if key not in content and key not in optional:
            raise InputError(f"{where}: the key {key!r} is missing")


def _entry(where: str, content: Any) -> CorpusEntry:
    _check_keys(where, content, CorpusEntry)
    paths = content["input"] if isinstance(content["input"], list) else [content["input"]]
    entry = CorpusEntry(**{**content, "input": [str(path) for path in paths]})
    if entry.format not in FORMATS:
        raise InputError(f"{where}: unknown format {entry.format!r}; known are {', '.join(FORMATS)}")
    uses = FORMATS[entry.format].uses
    if entry.use and entry.use not in uses:
        raise InputError(f"{where}: use {entry.use!r}: {entry.format} gives {' or '.join(uses)}")
    for code in entry.langs:
        check_code(code)
    _check_splits(where, entry)
    for key in entry.clean if isinstance(entry.clean, dict) else ():
        if key not in CLEAN_OPTIONS:
            raise InputError(f"{where}: unknown key {key!r} in clean; known are {', '.join(CLEAN_OPTIONS)}")
    return entry


def _check_splits(where: str, entry: CorpusEntry) -> None:
    try:
        total = sum(entry.shares.values())
    except (AttributeError, TypeError) as error:
        raise InputError(
            f"{where}: split {entry.split!r}: give a name, or shares as {{train: 0.98, valid: 0.02}}"
        ) from error
    if abs(total - 1) > 1e-6 or any(share <= 0 for share in entry.shares.values()):
        raise InputError(f"{where}: split {entry.split!r}: shares are above 0 and sum to 1")


def _check_names(path: Path, corpora: list[CorpusEntry]) -> None:
    seen = set()
    for entry in corpora:
        for split in entry.shares:
            if (entry.name, split) in seen:
                raise InputError(f"{path}: two corpora are named {entry.name!r} with a split {split!r}; rename one")
            seen.add((entry.name, split))
