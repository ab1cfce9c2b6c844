"""Streams of samples: one per language's text (denoising) and per direction of a pair (translation)."""

from dataclasses import dataclass

import numpy as np

from swcm_fairseq.data.blocks import Blocks
from swcm_fairseq.data.joined_documents import JoinedDocuments
from swcm_fairseq.data.piece_boundaries import PieceTable

FRAME = 3  # <s>, the language token and </s> count towards the positions


@dataclass
class Stream:
    """One row of the sampling table.

    Attributes:
        group: name in logs, ``dae_bo`` or ``mt_zh-bo``.
        source_lang, target_lang: language codes.
        translation: pairs; otherwise text to denoise.
        source: the source's texts.
        target: the target's texts; for denoising the same as ``source``.
        pieces: words and sentence ends of the source language (used for noise).
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
        """Tokens trained on in one pass: of both sides for pairs."""
        return int(self.source.sizes.sum()) + (int(self.target.sizes.sum()) if self.translation else 0)

    def body(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """Source and target ids of one sample without ``<s> <xx>`` and ``</s>``; int64, shapes (s,) and (t,)."""
        source = self.source[index]
        return source, (self.target[index] if self.translation else source)
