"""``corpora.json``: the contents of a data directory, written by swcm binarize and read by the task.

    {"version": 1,
     "vocabulary": {"checksum": "<sha256>", "size": 8000},
     "corpora": [
       {"name": "bo", "source_lang": "bo", "target_lang": "bo", "kind": "mono",
        "splits": {"train": {"source": "bo/train", "target": null, "samples": 300, "source_tokens": 5514,
                             "source_pieces": "<see pack_counts>", ...}}},
       {"name": "zh-bo", "source_lang": "zh", "target_lang": "bo", "kind": "pair",
        "splits": {"train": {"source": "train.zh-bo.zh", "target": "train.zh-bo.bo", ...}}}]}

Paths are relative to the directory and omit ``.bin``/``.idx``. Both sides of a pair may be in the same language
(``ti_sum``: article -> title in bo); the files are then ``train.ti_sum.source`` and ``train.ti_sum.target``.
"""

import base64
import json
import zlib
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from pathlib import Path

import numpy as np

from swcm_fairseq.checked_data import checked, parse_json, read_text
from swcm_fairseq.errors import InputError
from swcm_fairseq.output_files import write_whole

CORPORA_FILE = "corpora.json"
VERSION = 1


class Kind(StrEnum):
    """The kind of a corpus: monolingual text to denoise, or pairs to translate (or summarize, or answer)."""

    MONO = "mono"
    PAIR = "pair"


def pack_counts(counts: np.ndarray) -> str:
    """Encode counts per dictionary id, shape (vocabulary size,), as base64 of zlib-compressed little-endian uint64."""
    return base64.b64encode(zlib.compress(counts.astype("<u8").tobytes(), 9)).decode("ascii")


def unpack_counts(packed: str, size: int) -> np.ndarray:
    """Decode the result of :func:`pack_counts` to int64, shape (size,); zeros for an empty string.

    Raises:
        InputError: ``packed`` is damaged or has another size.
    """
    if not packed:
        return np.zeros(size, dtype=np.int64)
    try:
        unpacked = zlib.decompressobj().decompress(base64.b64decode(packed, validate=True), 8 * size + 1)
        counts = np.frombuffer(unpacked, dtype="<u8").astype(np.int64)
    except (ValueError, zlib.error) as error:
        raise InputError(f"{CORPORA_FILE}: the piece counts are damaged; binarize the text again") from error
    if len(counts) != size:
        raise InputError(
            f"{CORPORA_FILE}: has counts of {len(counts)} pieces, but the vocabulary has {size}; "
            "binarize the text again"
        )
    return counts


@dataclass
class Split:
    """One split of a corpus on disk. Token counts include ``</s>``, as in fairseq's index."""

    source: str
    target: str | None = None
    samples: int = 0
    source_tokens: int = 0
    target_tokens: int = 0
    source_unknown: int = 0
    target_unknown: int = 0
    source_pieces: str = ""  # how often each dictionary id occurs, see pack_counts
    target_pieces: str = ""
    source_lengths: dict[str, int] = field(default_factory=dict)  # percentile -> tokens; "100" is the longest
    target_lengths: dict[str, int] = field(default_factory=dict)
    source_checksum: str = ""  # checksum of the indexed file, see data_checksum
    target_checksum: str = ""
    lines: int = 0  # lines read: samples plus everything in left_out
    left_out: dict[str, int] = field(default_factory=dict)  # reason -> lines
    fingerprint: str = ""  # SHA-256 of the text files and options; if unchanged, nothing is binarized again


@dataclass
class Corpus:
    """One corpus: text in one language, or pairs in two languages (or within one)."""

    name: str
    kind: Kind
    source_lang: str
    target_lang: str
    splits: dict[str, Split] = field(default_factory=dict)


def _check(corpora: list[Corpus], path: Path) -> None:
    """Raise :class:`InputError` for a name that occurs twice or a split that lacks one of its files."""
    names = [corpus.name for corpus in corpora]
    for corpus in corpora:
        if names.count(corpus.name) > 1:
            raise InputError(f"{path}: the corpus {corpus.name!r} is listed twice; remove one")
        for name, split in corpus.splits.items():
            files = [split.source, split.target] if corpus.kind is Kind.PAIR else [split.source]
            if not all(isinstance(file, str) and file for file in files):
                raise InputError(f"{path}: {corpus.name} {name} lacks a file; write it with swcm binarize")


@dataclass
class Corpora:
    """The contents of ``corpora.json``."""

    vocabulary_checksum: str
    vocabulary_size: int
    corpora: list[Corpus] = field(default_factory=list)

    def piece_counts(self, lang: str, split: str = "train") -> np.ndarray:
        """How often each dictionary id occurs in text in ``lang``, pairs included; int64, shape (size,)."""
        counts = np.zeros(self.vocabulary_size, dtype=np.int64)
        for corpus in self.corpora:
            part = corpus.splits.get(split)
            if part is not None and corpus.source_lang == lang:
                counts += unpack_counts(part.source_pieces, self.vocabulary_size)
            if part is not None and corpus.target_lang == lang:
                counts += unpack_counts(part.target_pieces, self.vocabulary_size)
        return counts

    def write(self, directory: Path | str) -> None:
        """Write atomically: an interrupted run leaves the old file or the new one, never a partial file."""
        path = Path(directory) / CORPORA_FILE
        content = {
            "version": VERSION,
            "vocabulary": {"checksum": self.vocabulary_checksum, "size": self.vocabulary_size},
            "corpora": [asdict(corpus) for corpus in self.corpora],
        }
        write_whole(path, (json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode("utf-8"))

    @classmethod
    def read(cls, directory: Path | str) -> "Corpora":
        """Read ``corpora.json``; raises :class:`InputError` if it is missing, invalid or of another version."""
        path = Path(directory) / CORPORA_FILE
        try:
            content = checked(parse_json(read_text(path), path), _File, str(path))
        except InputError as error:
            raise InputError(f"{error}; write it with swcm binarize") from error
        if content.version != VERSION:
            raise InputError(
                f"{path}: has version {content.version}, but this release reads version {VERSION}; "
                "binarize the text again"
            )
        _check(content.corpora, path)
        return cls(content.vocabulary.checksum, content.vocabulary.size, content.corpora)


@dataclass
class _Vocabulary:
    checksum: str
    size: int


@dataclass
class _File:
    """The layout of ``corpora.json``."""

    version: int
    vocabulary: _Vocabulary
    corpora: list[Corpus]
