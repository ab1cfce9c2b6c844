"""How the command line names corpora: ``LANG:SPLIT=FILE`` and ``SRC-TGT[:NAME]:SPLIT=SOURCE,TARGET``."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from swcm_fairseq.data.corpora import Corpus, Kind
from swcm_fairseq.data.languages import LANGUAGES, check_code
from swcm_fairseq.errors import InputError

MONO_FORM = "LANG:SPLIT=FILE"
PAIR_FORM = "SRC-TGT[:NAME]:SPLIT=SOURCE_FILE,TARGET_FILE"
PLAIN_FORM = "SPLIT=FILE"
LANGUAGES_FORM = "LANG or SRC-TGT; write regions and scripts with _ (kk_arab)"

SPLIT_NAME = re.compile(r"(train|valid|test)\w*", re.ASCII)
CORPUS_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")


@dataclass
class Job:
    """One split of one corpus to binarize.

    Attributes:
        corpus: name, kind and languages; None for ``--plain`` text, which does not belong to a corpus.
        split: ``train``, ``valid`` or ``test``, optionally followed by a number or word.
        inputs: one tuple of files per part (one file, or source and target); the parts are concatenated in order.
    """

    corpus: Corpus | None
    split: str
    inputs: list[tuple[Path, ...]] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Name of the split in tables and progress bars."""
        return f"{self.corpus.name} {self.split}" if self.corpus else f"(plain) {self.split}"

    @property
    def flag(self) -> str:
        """The option of swcm binarize that describes the split."""
        files = ",".join(map(str, self.inputs[0]))
        if self.corpus is None:
            return f"--plain {self.split}={files}"
        source, target = self.corpus.source_lang, self.corpus.target_lang
        if self.corpus.kind is Kind.MONO:
            return f"--mono {source}:{self.split}={files}"
        name = "" if self.corpus.name == f"{source}-{target}" and source != target else f":{self.corpus.name}"
        return f"--pair {source}-{target}{name}:{self.split}={files}"

    @property
    def prefixes(self) -> tuple[str, ...]:
        """Output path of each side, relative to the data directory, without extension."""
        if self.corpus is None:
            return (self.split,)
        name, source, target = self.corpus.name, self.corpus.source_lang, self.corpus.target_lang
        if self.corpus.kind is Kind.MONO:
            return (f"{source}/{self.split}",)
        if name == f"{source}-{target}":
            return (f"{self.split}.{name}.{source}", f"{self.split}.{name}.{target}")
        return (f"{self.split}.{name}.source", f"{self.split}.{name}.target")


def corpus_of(langs: tuple[str, ...], name: str = "") -> Corpus:
    """A corpus of text in one language, or of pairs.

    Args:
        langs: the language of text, or the two languages of pairs.
        name: name of a corpus of pairs. Default: SRC-TGT, or the placeholder NAME if both languages are the same, which
            requires a name.
    """
    if len(langs) == 1:
        return Corpus(langs[0], Kind.MONO, *langs, *langs)
    source, target = langs
    return Corpus(name or (f"{source}-{target}" if source != target else "NAME"), Kind.PAIR, source, target)


def parse_languages(where: str, text: str) -> tuple[str, ...]:
    """``zh`` -> ("zh",); ``zh-bo`` -> ("zh", "bo"); raises :class:`InputError` that starts with ``where``."""
    langs = text.split("-")
    if len(langs) > 2:
        raise InputError(f"{where}: {text!r} is not one or two languages; write {LANGUAGES_FORM}")
    return tuple(map(check_code, langs))


def parse_sides(where: str, form: str, langs: str, files: str) -> tuple[tuple[str, str], tuple[Path, Path]]:
    """The languages and files of both sides of pairs: ``zh-bo`` and ``train.zh,train.bo``.

    Args:
        where: the flag and its value, for messages.
        form: the expected form of the value, for messages.
        langs: two languages, as ``zh-bo``.
        files: two files, as ``train.zh,train.bo``.

    Raises:
        InputError: there are not exactly two languages and two files.
    """
    codes, paths = langs.split("-"), files.split(",")
    if len(codes) != 2:
        raise InputError(f"{where}: {langs!r} is not two languages; expected {form}; write regions with _ (kk_arab)")
    if len(paths) != 2 or "" in (*codes, *paths):
        raise InputError(f"{where}: expected {form}")
    (source, target), (first, second) = map(check_code, codes), map(Path, paths)
    return (source, target), (first, second)


def check_pair_name(where: str, langs: tuple[str, ...], name: str) -> None:
    """Raise :class:`InputError` if ``name`` cannot name pairs of these languages."""
    if len(set(langs)) == 1 and name == "-".join(langs):
        raise InputError(f"{where}: pairs within one language need a name, such as {langs[0]}_titles")
    if not CORPUS_NAME.fullmatch(name):
        raise InputError(f"{where}: {name!r} is not a valid name; use letters, digits, _ and -")
    if name in (*langs, *LANGUAGES):
        raise InputError(f"{where}: {name!r} is a language code, the name of its text; give the pairs another name")


def _halves(spec: str, flag: str, form: str) -> tuple[list[str], str]:
    """``a:b=FILE`` -> (["a", "b"], "FILE"); checks the split."""
    key, equals, files = spec.partition("=")
    if not equals or not files:
        raise InputError(f"{flag} {spec}: expected {form}")
    keys = key.split(":")
    if not SPLIT_NAME.fullmatch(keys[-1]):
        raise InputError(
            f"{flag} {spec}: {keys[-1]!r} is not a split; expected {form} with train, valid or test as SPLIT"
        )
    return keys, files


def parse_plain(spec: str) -> Job:
    """``train=FILE``."""
    keys, file = _halves(spec, "--plain", PLAIN_FORM)
    if len(keys) != 1:
        raise InputError(f"--plain {spec}: expected {PLAIN_FORM}")
    return Job(None, keys[0], [(Path(file),)])


def parse_mono(spec: str) -> Job:
    """``bo:train=FILE``."""
    keys, file = _halves(spec, "--mono", MONO_FORM)
    if len(keys) != 2:
        raise InputError(f"--mono {spec}: expected {MONO_FORM}")
    lang = check_code(keys[0])
    return Job(corpus_of((lang,)), keys[1], [(Path(file),)])


def parse_pair(spec: str) -> Job:
    """``zh-bo:train=FILE,FILE``, or with a corpus name ``bo-bo:ti_sum:train=FILE,FILE``."""
    keys, files = _halves(spec, "--pair", PAIR_FORM)
    where = f"--pair {spec}"
    if len(keys) not in (2, 3):
        raise InputError(f"{where}: expected {PAIR_FORM}")
    langs, paths = parse_sides(where, PAIR_FORM, keys[0], files)
    name = keys[-2]
    check_pair_name(where, langs, name)
    return Job(corpus_of(langs, name), keys[-1], [paths])


def gather(jobs: list[Job]) -> list[Job]:
    """Join jobs for the same split of the same corpus, in the given order."""
    joined: dict[tuple[str | None, str], Job] = {}
    for job in jobs:
        key = (job.corpus.name if job.corpus else None, job.split)
        first = joined.setdefault(key, Job(job.corpus, job.split))
        if first.corpus != job.corpus:
            raise InputError(f"{key[0]!r} names two different corpora; rename one of the pairs")
        first.inputs.extend(job.inputs)
    return list(joined.values())
