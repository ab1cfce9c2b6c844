"""Encode blocks of lines as blocks of ids, in one worker process."""

from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np
import sentencepiece

from swcm_fairseq.data.index_format import ids_dtype
from swcm_fairseq.data.vocabulary import Vocabulary

from ..steps.ledger import Reason, Reject
from ..text.reading_options import ReadingOptions
from ..text.text_files import Block


@dataclass
class EncodedSide:
    """The ids of one side of a block.

    Attributes:
        data: the concatenated sentences, each followed by ``</s>``, as bytes in the dtype of the file.
        sizes: number of tokens per sentence, int32, shape (kept,).
        pieces: distinct ids, int64, shape (distinct,).
        counts: number of occurrences of each, int64, shape (distinct,).
    """

    data: bytes
    sizes: np.ndarray
    pieces: np.ndarray
    counts: np.ndarray


@dataclass
class EncodedBlock:
    """The encoded lines of a block, and the lines left out."""

    lines: int
    kept: int
    sides: list[EncodedSide]
    rejects: list[Reject]
    position: int


class Encoder:
    """Encodes blocks; created once and sent to each worker process.

    Args:
        vocabulary: sentencepiece model and dictionary.
        options: how lines are read, and which are left out.
    """

    def __init__(self, vocabulary: Vocabulary, options: ReadingOptions):
        self._processor: sentencepiece.SentencePieceProcessor = vocabulary.processor
        self._size = len(vocabulary.dictionary)
        self._dtype = ids_dtype(self._size)
        # The dictionary id of each of the model's pieces, then that of </s>, whatever the model calls it.
        self._ids = np.append(vocabulary.piece_ids, vocabulary.dictionary.eos()).astype(self._dtype)
        self._options = options

    def __call__(self, block: Block) -> EncodedBlock:
        """Encode a block; raises :class:`InputError` at the first invalid line unless invalid lines are skipped."""
        lines = len(block.sides[0])
        rejects: dict[int, Reject] = {}  # by index in the block; only the first reason counts
        encoded = [
            self._encode(side, path, block.first_line, rejects)
            for side, path in zip(block.sides, block.paths, strict=True)
        ]
        keep = [i for i in range(lines) if i not in rejects]
        return EncodedBlock(
            lines,
            len(keep),
            [self._pack([side[i] for i in keep]) for side in encoded],
            [rejects[i] for i in sorted(rejects)],
            block.position,
        )

    def _encode(self, raw: list[bytes], path: Path, first: int, rejects: dict[int, Reject]) -> list[list[int]]:
        """Sentencepiece ids of each line; [] for lines left out, which are added to ``rejects``."""
        texts = []
        for i, line in enumerate(raw):
            text = self._options.read(line, path, first + i)
            if isinstance(text, Reason):
                rejects.setdefault(i, Reject(str(path), first + i, text))
                text = ""
            texts.append(text)
        ids = self._processor.encode(texts, num_threads=1)
        for i, line_ids in enumerate(ids):
            if not line_ids:  # nothing left after sentencepiece's own normalization
                rejects.setdefault(i, Reject(str(path), first + i, Reason.BLANK))
        return ids

    def _pack(self, ids: list[list[int]]) -> EncodedSide:
        end = len(self._ids) - 1
        for line_ids in ids:
            line_ids.append(end)
        sizes = np.fromiter(map(len, ids), dtype=np.int32, count=len(ids))
        flat = self._ids[np.fromiter(chain.from_iterable(ids), dtype=np.int32, count=int(sizes.sum()))]
        counts = np.bincount(flat, minlength=1)
        pieces = np.flatnonzero(counts)
        return EncodedSide(flat.tobytes(), sizes, pieces, counts[pieces])
