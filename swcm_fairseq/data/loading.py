"""The corpora that a run has chosen, opened as streams of samples."""

import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import torch

from swcm_fairseq.data.blocks import Blocks
from swcm_fairseq.data.corpora import CORPORA_FILE, Corpora, Kind
from swcm_fairseq.data.dictionary import MultilingualDictionary
from swcm_fairseq.data.directory import check_languages, find_corpora, load_vocabulary
from swcm_fairseq.data.indexed_sides import load_side
from swcm_fairseq.data.joined_documents import JoinedDocuments
from swcm_fairseq.data.languages import WordUnit
from swcm_fairseq.data.piece_boundaries import PieceTable
from swcm_fairseq.data.selection import Direction, choose_directions
from swcm_fairseq.data.streams import FRAME, Stream
from swcm_fairseq.data.subset import DocumentSubset
from swcm_fairseq.errors import InputError

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """Which parts of the data directories a run uses, and how.

    Attributes:
        wanted: names of corpora or groups; empty for all.
        both: whether to use pairs in both directions; None means only pairs of two languages.
        source_lang, target_lang: languages of the only directions to use, if given.
        translation_share: share of pairs; 0 excludes pairs, and 1 excludes monolingual text.
        max_positions: maximum length of a text, ``<s> <xx>`` and ``</s>`` included.
        blocks: whether to cut long monolingual text into blocks at sentence ends instead of truncating it; pairs are
            always truncated.
        word_units: languages that do not use the word unit of the language table.
        joined: languages whose monolingual documents are joined and cut at ``max_positions``.
    """

    wanted: Sequence[str] = ()
    both: bool | None = None
    source_lang: str | None = None
    target_lang: str | None = None
    translation_share: float | None = None
    max_positions: int = 256
    blocks: bool = True
    word_units: dict[str, WordUnit] = field(default_factory=dict)
    joined: Sequence[str] = ()


class ChosenCorpora:
    """The chosen corpora of one or more data directories with the same vocabulary."""

    def __init__(self, paths: Sequence[str], dictionary: MultilingualDictionary, langs: Sequence[str], choice: Choice):
        """Store the arguments; files are read on demand.

        Args:
            paths: data directories.
            dictionary: the dictionary of the first one, with language tokens added.
            langs: languages that have tokens.
            choice: the corpora and directions to use, and how.
        """
        self.paths, self.dictionary, self.langs, self.choice = list(paths), dictionary, list(langs), choice
        self._directions: dict[str, list[Direction]] = {}
        self._pieces: dict[str, PieceTable] = {}

    @cached_property
    def group_names(self) -> list[str]:
        """Names of all chosen directions in all data directories."""
        return list(dict.fromkeys(direction.group for path in self.paths for direction in self.directions(path)))

    def directions(self, path: str) -> list[Direction]:
        """The chosen directions of one data directory; raises :class:`InputError` if there are none."""
        if path not in self._directions:
            if path != self.paths[0]:
                self._check_same_vocabulary(path)
            choice = self.choice
            directions = choose_directions(
                find_corpora(path),
                path,
                choice.wanted,
                both=choice.both,
                source_lang=choice.source_lang,
                target_lang=choice.target_lang,
                translation_share=choice.translation_share,
            )
            check_languages([direction.corpus for direction in directions], self.langs, path)
            self._directions[path] = directions
        return self._directions[path]

    def _check_same_vocabulary(self, path: str) -> None:
        if load_vocabulary(path).symbols != self.dictionary.symbols[: self.dictionary.num_pieces]:
            raise InputError(
                f"{path}: has a different vocabulary from {self.paths[0]}; binarize all text with the same vocabulary"
            )

    def load(self, path: str, split: str, combine: bool, number: int | None = None) -> list[Stream]:
        """The streams of one split of a data directory, limited to ``number`` samples per corpus if given.

        Raises:
            InputError: no chosen corpus has the split, a file is damaged or empty, or a corpus has fewer than
                ``number`` samples.
        """
        chosen = self.directions(path)
        directions = [direction for direction in chosen if split in direction.corpus.splits]
        if not directions:
            have = sorted({name for direction in chosen for name in direction.corpus.splits})
            raise InputError(f"{path}: no chosen corpus has a split {split!r}; available: {', '.join(have)}")
        streams = [self._load_stream(path, direction, split, combine, number) for direction in directions]
        for stream in streams:
            for line in cuts(stream):
                logger.info(f"{split} {line}")
        return streams

    def _load_stream(self, path: str, direction: Direction, split: str, combine: bool, number: int | None) -> Stream:
        mono = direction.corpus.kind is Kind.MONO
        pieces = self._piece_table(direction.source_lang) if mono else None
        data = [load_side(path, prefix, self.dictionary, combine) for prefix in direction.files(split)]
        if len(data[0]) != len(data[-1]):
            raise InputError(
                f"{path}: {direction.group} has {len(data[0])} sources and {len(data[-1])} targets in {split}; "
                "binarize the pair again"
            )
        if number is not None:
            data = [DocumentSubset(side, number, direction.corpus.name) for side in data]
        sides = [self._texts(side, pieces, direction) for side in data]
        return Stream(
            direction.group, direction.source_lang, direction.target_lang, not mono, sides[0], sides[-1], pieces
        )

    def _texts(self, data, pieces: PieceTable | None, direction: Direction) -> Blocks | JoinedDocuments:
        """One side of a stream, as texts of at most ``max_positions`` positions."""
        limit, bos, eos = self.choice.max_positions - FRAME, self.dictionary.bos(), self.dictionary.eos()
        if pieces is not None and direction.source_lang in self.choice.joined:
            return JoinedDocuments(data, limit, bos, eos)
        return Blocks(data, limit, bos, eos, pieces if self.choice.blocks else None)

    def _piece_table(self, lang: str) -> PieceTable:
        if lang not in self._pieces:
            self._pieces[lang] = PieceTable.build(self.dictionary, lang, self.choice.word_units.get(lang))
        return self._pieces[lang]

    def vocabulary(self, lang: str, split: str) -> torch.Tensor | None:
        """The pieces that occur in a language's text in ``split``, as counted by swcm binarize.

        Returns:
            int64, ascending: ids of the pieces in all data directories; None if none were counted (directories written
            by stock fairseq-preprocess, or no text in the language).
        """
        used = np.zeros(self.dictionary.num_pieces, dtype=bool)
        for path in self.paths:
            if os.path.exists(os.path.join(path, CORPORA_FILE)):
                used |= Corpora.read(path).piece_counts(lang, split) > 0
        return torch.from_numpy(np.flatnonzero(used)) if used.any() else None


def cuts(stream: Stream) -> Iterator[str]:
    """Log lines that say how many texts of a stream are too long and how they are shortened."""
    sides = {" source": stream.source, " target": stream.target} if stream.translation else {"": stream.target}
    for side, blocks in sides.items():
        if isinstance(blocks, JoinedDocuments):
            documents = f"{blocks.documents:,} documents are joined and cut into {len(blocks):,} texts"
            yield f"{stream.group}: {documents} of {blocks.limit} tokens"
        elif blocks.documents_cut:
            fate = (
                f"{blocks.tokens_lost:,} of their tokens are left out"
                if blocks.tokens_lost
                else f"they are cut into blocks, {len(blocks):,} texts in all"
            )
            yield (
                f"{stream.group}{side}: {blocks.documents_cut:,} of {blocks.documents:,} texts are longer than "
                f"{blocks.limit} tokens; {fate}"
            )
