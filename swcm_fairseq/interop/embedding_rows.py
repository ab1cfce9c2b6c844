"""Embeddings of a pretrained model, matched by piece to the dictionary of a training run."""

from collections import Counter
from pathlib import Path
from typing import Protocol

import torch
from fairseq.data import Dictionary
from torch import Tensor

from swcm_fairseq.data.segmentation import inside_words
from swcm_fairseq.data.vocabulary import MASK, load_sentencepiece
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.rows import row_index, with_known_rows


class SourceVocabulary(Protocol):
    """The parts of a pretrained model's vocabulary that matching needs."""

    @property
    def path(self) -> Path:
        """The model's file or directory, for messages."""

    @property
    def symbols(self) -> list[str]:
        """Symbol of every embedding row, in order; rows beyond the last symbol belong to no piece."""

    @property
    def sentencepiece(self) -> Path:
        """Expected path of its sentencepiece model."""


@torch.no_grad()
def match_rows(
    start: Tensor, source: Tensor, weights: SourceVocabulary, dictionary: Dictionary, from_pieces: bool
) -> tuple[Tensor, Counter]:
    """The embedding table for ``dictionary``.

    Args:
        start: [V, C], random; new rows keep these values.
        source: [V', C], the encoder's table, whose row i belongs to ``weights.symbols[i]``.
        weights: the vocabulary of the encoder (or mBART).
        dictionary: our symbols.
        from_pieces: whether to initialize each new row with the mean of the rows of the pieces that the encoder's own
            sentencepiece model splits it into; rows with only unknown pieces stay random.

    Returns:
        The table [V, C], and the number of rows copied, made from pieces, new, and not used from the encoder.

    Raises:
        InputError: the vocabularies have no pieces in common.
    """
    symbols = weights.symbols[: source.size(0)]
    index = row_index(symbols, dictionary.symbols)
    known = index >= 0
    if not any(i >= dictionary.nspecial and dictionary[i] != MASK for i in known.nonzero()[:, 0].tolist()):
        raise InputError(
            f"{weights.path}: no piece of the dictionary is in the encoder's vocabulary; binarize the text with the "
            "encoder's sentencepiece model"
        )
    table = with_known_rows(start, source.to(start.device), index.to(start.device))
    counts: Counter = Counter({"copied by piece": int(known.sum())})
    new = (~known).nonzero()[:, 0].tolist()
    if from_pieces:
        counts["the mean of their pieces"] = _fill_from_pieces(table, source, weights, dictionary, new)
    counts["new"] = len(new) - counts["the mean of their pieces"]
    counts["of the encoder not used"] = source.size(0) - len(index[known].unique())
    return table, counts


def _fill_from_pieces(
    table: Tensor, source: Tensor, weights: SourceVocabulary, dictionary: Dictionary, new: list[int]
) -> int:
    """Fill those of the ``new`` rows of ``table`` [V, C] that the source has pieces for; return how many."""
    processor = inside_words(load_sentencepiece(weights.sentencepiece))
    rows = {symbol: i for i, symbol in enumerate(weights.symbols[: source.size(0)])}
    filled = 0
    for row in new:
        symbol = dictionary[row]
        if symbol.startswith("<") and symbol.endswith(">"):  # language tokens have no spelling
            continue
        pieces = [rows[piece] for piece in processor.encode(symbol, out_type=str) if piece in rows]
        if pieces:
            table[row] = source[pieces].mean(0).to(table)
            filled += 1
    return filled
