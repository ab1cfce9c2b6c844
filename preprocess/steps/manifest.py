"""The manifest of ``swcm run``: a YAML file that names corpora, languages and steps."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from swcm_fairseq.checked_data import parse_yaml, read_text
from swcm_fairseq.errors import InputError
from swcm_fairseq.options import flag, option

from ..databin.corpus_specs import CORPUS_NAME, SPLIT_NAME, check_pair_name, parse_languages
from ..readers import FORMATS
from ..readers.extraction import ExtractOptions, check_documents, sides_of
from ..readers.records import Use
from ..text.cleaning import CleanOptions
from ..text.rewriting import check_rewritings
from .schema import COUNT, Rule, load_value, loaded

_NAME = Rule("use letters, digits, _ and -", lambda name: CORPUS_NAME.fullmatch(name) is not None)


def _load_split(where: str, value: object) -> str | dict[str, float]:
    """The name of a split, or the shares of several splits, which sum to 1."""
    if not isinstance(value, str | dict):
        raise InputError(f"{where} {value!r}: give a name, or shares such as {{train: 0.98, valid: 0.02}}")
    split = value if isinstance(value, str) else load_value(where, value, dict[str, float])
    shares = {split: 1.0} if isinstance(split, str) else split
    for name in shares:
        if not SPLIT_NAME.fullmatch(name):
            raise InputError(f"{where}: {name!r} is not a split; use train, valid or test, with or without a suffix")
    if not abs(sum(shares.values()) - 1) <= 1e-6 or any(share <= 0 for share in shares.values()):
        raise InputError(f"{where} {value!r}: shares must be above 0 and sum to 1")
    return split


def _load_limit(where: str, value: object) -> int | dict[str, int] | None:
    """The maximum number of lines of every split, or of some splits by name."""
    limit = load_value(where, value, dict[str, int] if isinstance(value, dict) else int | None)
    for each in limit.values() if isinstance(limit, dict) else [limit]:
        if each is not None and not COUNT.holds(each):
            raise InputError(f"{where}: {each!r}: {COUNT.text}")
    return limit


def _load_clean(where: str, value: object) -> CleanOptions | None:
    """``true`` for the default steps, ``false`` for none, or options."""
    if not isinstance(value, bool | dict):
        raise InputError(f"{where}: {value!r}: give true, false or options such as {{near: 0.8}}")
    return loaded(CleanOptions, {} if value is True else value, where) if value is not False else None


@dataclass(kw_only=True)
class CorpusEntry(ExtractOptions):
    """One corpus of a manifest; the options of swcm extract are also keys of an entry."""

    name: str = option(help="name of the corpus and its intermediate files", rule=_NAME)
    format: str = option(help="format of the corpus (see swcm extract)", metavar="FORMAT", choices=tuple(FORMATS))
    input: list[Path] = option(help="files or folder of the corpus")
    lang: str = option(help="language, or two languages as zh-bo")
    published: str = option("", "where its authors publish it, for the message if it is missing")
    use: str = option("", "what to extract (default: the first use of the format)")
    split: str | dict[str, float] = option(
        "train", "name of its split, or the share of each split: {train: 0.98, valid: 0.02}", load=_load_split
    )
    limit: int | dict[str, int] | None = option(
        None, "maximum number of lines of every split, or of some: {train: 500}", load=_load_limit
    )
    clean: CleanOptions | None = option(
        factory=CleanOptions, help="options of swcm clean; true: the default steps, false: none", load=_load_clean
    )

    @property
    def langs(self) -> tuple[str, ...]:
        """Language of the corpus, or the two languages of pairs."""
        return parse_languages("lang", self.lang)

    @property
    def sides(self) -> tuple[str, ...]:
        """Language of each extracted file."""
        return sides_of(self.chosen_use, self.langs)

    @property
    def chosen_use(self) -> Use:
        """The use for which the corpus is extracted."""
        return Use(self.use) if self.use else FORMATS[self.format].uses[0]

    @property
    def shares(self) -> dict[str, float]:
        """Share of each split."""
        return {self.split: 1.0} if isinstance(self.split, str) else self.split

    @property
    def limits(self) -> dict[str, int]:
        """The maximum number of lines of each limited split."""
        if self.limit is None:
            return {}
        return self.limit if isinstance(self.limit, dict) else dict.fromkeys(self.shares, self.limit)


# The options of the steps, which their messages name, and their keys in an entry.
_KEYS = {flag(each.name): f"clean: {each.name}" for each in fields(CleanOptions)}
_KEYS |= {flag(each.name): each.name for each in fields(CorpusEntry)}


@contextmanager
def options_as_keys(where: str) -> Iterator[None]:
    """In errors that name options of a step, name the keys of an entry instead, after ``where``, the entry."""
    try:
        yield
    except InputError as error:
        message = re.sub(r"--[a-z-]+", lambda found: _KEYS.get(found[0], found[0]), str(error))
        if message == str(error):
            raise
        raise InputError(f"{where}: {message}") from error


def _load_corpora(where: str, value: object) -> list[CorpusEntry]:
    """The entries, each checked."""
    if not isinstance(value, list) or not value:
        raise InputError(f"{where}: give a list of at least one corpus")
    entries = []
    for i, content in enumerate(value):
        entries.append(loaded(CorpusEntry, content, f"{where}[{i}]"))
        _check_entry(f"{where}[{i}]", entries[-1])
    return entries


@dataclass
class Manifest:
    """The contents of a manifest."""

    output: Path = option(help="data directory to write", metavar="DIR")
    vocabulary: Path = option(help="vocabulary directory", metavar="DIR")
    work: Path = option(help="folder for the intermediate text", metavar="DIR")
    corpora: list[CorpusEntry] = option(help="corpora to read", load=_load_corpora)
    workers: int = option(1, "number of worker processes", metavar="N", rule=COUNT)


def read_manifest(path: Path) -> Manifest:
    """Read a manifest; raises :class:`InputError` that names the line, or the key and the known keys."""
    manifest = loaded(Manifest, parse_yaml(read_text(path), path), str(path))
    _check_names(path, manifest.corpora)
    return manifest


def _check_entry(where: str, entry: CorpusEntry) -> None:
    """Raise :class:`InputError` for contradictory keys."""
    uses = FORMATS[entry.format].uses
    if entry.use and entry.use not in uses:
        raise InputError(f"{where}: use {entry.use!r}: not supported by {entry.format}; give {' or '.join(uses)}")
    parse_languages(f"{where}: lang", entry.lang)
    expected = 2 if entry.chosen_use is Use.PAIR else 1
    if len(entry.langs) != expected:
        form = "two, as zh-bo" if expected == 2 else "one"
        raise InputError(f"{where}: lang {entry.lang!r}: {entry.format} as {entry.chosen_use} needs {form}")
    if len(entry.sides) == 2:
        check_pair_name(f"{where}: name {entry.name!r}", entry.sides, entry.name)
    with options_as_keys(where):
        check_documents(FORMATS[entry.format], entry)
        if entry.clean:
            check_rewritings(entry.sides, entry.clean, entry.clean.steps)
    for split in entry.limits:
        if split not in entry.shares:
            raise InputError(f"{where}: limit: unknown split {split!r}; known splits are {', '.join(entry.shares)}")


def _check_names(path: Path, corpora: list[CorpusEntry]) -> None:
    seen = set()
    for entry in corpora:
        for split in entry.shares:
            if (entry.name, split) in seen:
                raise InputError(f"{path}: two corpora are named {entry.name!r} with a split {split!r}; rename one")
            seen.add((entry.name, split))
