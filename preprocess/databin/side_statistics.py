"""Statistics of a data directory: sizes, lengths, unknown tokens, and sampling probabilities."""

from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from swcm_fairseq.data.corpora import Corpus
from swcm_fairseq.data.corpus_sampling import Temperature
from swcm_fairseq.data.directory import check_index, find_corpora, load_vocabulary
from swcm_fairseq.data.selection import all_directions
from swcm_fairseq.errors import InputError

from ..steps.parallel import ordered_map

_CHUNK = 1 << 24


@dataclass
class SideStatistics:
    """Statistics of one indexed file.

    Attributes:
        corpus: the corpus that it belongs to.
        lang: language of the text in the file.
        path: path relative to the data directory, without extension.
        mebibytes: size of the ``.bin`` file.
        lengths: number of tokens per sample, including ``</s>``, int32, shape (samples,).
        unknown: number of ``<unk>`` tokens.
        group: name (in the task's table) of the direction whose source it is; "" if there is none.
        probability: probability of drawing that direction.
    """

    corpus: Corpus
    lang: str
    path: str
    mebibytes: float
    lengths: np.ndarray
    unknown: int
    group: str = ""
    probability: float = 0.0

    @property
    def tokens(self) -> int:
        """Number of tokens, including ``</s>``."""
        return int(self.lengths.sum(dtype=np.int64))


def count_id(path: Path, dtype: np.dtype, wanted: int) -> int:
    """How often an id occurs in a ``.bin`` file, read in chunks."""
    ids = np.memmap(path, dtype=dtype, mode="r")
    return sum(int((ids[i : i + _CHUNK] == wanted).sum()) for i in range(0, len(ids), _CHUNK))


class Side(NamedTuple):
    """One indexed file to read: its corpus, language and path in the directory."""

    corpus: Corpus
    lang: str
    path: str


@dataclass
class SideReader:
    """Reads indexed files of a data directory; sent to each worker process.

    Attributes:
        directory: the data directory.
        unknown: id of ``<unk>``.
    """

    directory: Path
    unknown: int

    def __call__(self, side: Side) -> SideStatistics:
        """Statistics of one file; raises :class:`InputError` if it is missing or damaged."""
        return read_side(self.directory, side, self.unknown)


def read_side(directory: Path, side: Side, unknown: int) -> SideStatistics:
    """Statistics of one indexed file; raises :class:`InputError` if it is missing or damaged."""
    path = side.path
    dtype, lengths = check_index(directory / path)
    data = directory / f"{path}.bin"
    found = count_id(data, dtype, unknown)
    return SideStatistics(side.corpus, side.lang, path, data.stat().st_size / 2**20, np.array(lengths), found)


def read_directory(directory: Path, split: str, temperature: Temperature, workers: int = 1) -> list[SideStatistics]:
    """Statistics of all files of a split, with the probability of drawing from each; sides of pairs are adjacent."""
    unknown = load_vocabulary(directory).unk()
    corpora = [corpus for corpus in find_corpora(directory) if split in corpus.splits]
    if not corpora:
        raise InputError(f"{directory}: no corpus with a split {split!r}; give another --split")
    files = [side for corpus in corpora for side in _sides(corpus, split)]
    read = ordered_map(SideReader(directory, unknown), files, min(workers, len(files)))
    sides = list(tqdm(read, desc="reading", unit="file", total=len(files), leave=False, disable=None))
    _set_probabilities(corpora, split, sides, temperature)
    return sides


def _set_probabilities(
    corpora: list[Corpus], split: str, sides: list[SideStatistics], temperature: Temperature
) -> None:
    """Set the direction whose source each side is in ``multilingual_denoising_mt``, and its probability."""
    by_path = {side.path: side for side in sides}
    directions = all_directions(corpora, None)
    read = [[by_path[path] for path in direction.files(split)] for direction in directions]
    p = temperature.probabilities(
        [len(files[0].lengths) for files in read],
        [sum(file.tokens for file in files) for files in read],
        [direction.target_lang for direction in directions],
    )
    for direction, (source, *_), probability in zip(directions, read, p.tolist(), strict=True):
        source.group, source.probability = direction.group, probability


def _sides(corpus: Corpus, split: str) -> list[Side]:
    """The files of a split of a corpus: one, or the source and target of pairs."""
    part = corpus.splits[split]
    source = Side(corpus, corpus.source_lang, part.source)
    target = [Side(corpus, corpus.target_lang, part.target)] if part.target is not None else []
    return [source, *target]
