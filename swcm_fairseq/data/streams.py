"""Streams of samples: one per monolingual corpus (denoising) and one per direction of a pair (translation)."""

from dataclasses import dataclass

import numpy as np

from swcm_fairseq.data.blocks import Blocks
from swcm_fairseq.data.joined_documents import JoinedDocuments
from swcm_fairseq.data.piece_boundaries import PieceTable

FRAME = 3  # <s>, the language token and </s> count toward the positions


@dataclass
class Stream:
    """One row of the sampling table.

    Attributes:
        group: name in logs, such as ``dae_bo`` or ``mt_zh-bo``.
        source_lang, target_lang: language codes.
        translation: whether the texts are pairs, not monolingual text to denoise.
        source: the source texts.
        target: the target texts; the same as ``source`` for denoising.
        pieces: word and sentence boundaries in the source language (used for noise).
    """

    group: str
    source_lang: str
    target_lang: str
    translation: bool
    source: Blocks | JoinedDocuments
    target: Blocks | JoinedDocuments
    pieces: PieceTable | None = None

    def __len__(self) -> int:
        return len(self.source)

    @property
    def tokens(self) -> int:
        """Number of tokens that one pass trains on; for pairs, the tokens of both sides."""
        return int(self.source.sizes.sum()) + (int(self.target.sizes.sum()) if self.translation else 0)

    def body(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Source and target ids of one sample, without ``<s> <xx>`` and ``</s>``; int64, shapes (s,) and (t,)."""
        source = self.source[index]
        return source, (self.target[index] if self.translation else source)
