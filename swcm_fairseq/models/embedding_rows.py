"""Embedding rows are matched by piece, never by index: a pruned or extended vocabulary keeps its vectors."""

from collections import Counter
from pathlib import Path
from typing import Protocol

import torch
from fairseq.data import Dictionary
from torch import Tensor

from swcm_fairseq.data.segmentation import best_split, piece_scores
from swcm_fairseq.data.vocabulary import MASK, load_sentencepiece
from swcm_fairseq.errors import InputError


class SourceVocabulary(Protocol):
    """What must be known of a pretrained model's vocabulary."""

    @property
    def path(self) -> Path:
        """The model's file or directory, for messages."""

    @property
    def symbols(self) -> list[str]:
        """Symbol of every embedding row, in order; rows after the last symbol belong to no piece."""

    @property
    def sentencepiece(self) -> Path:
        """Where its sentencepiece model is expected."""


@torch.no_grad()
def match_rows(
    start: Tensor, source: Tensor, weights: SourceVocabulary, dictionary: Dictionary, from_pieces: bool
) -> tuple[Tensor, Counter]:
    """The embedding table of ``dictionary``.

    Args:
        start: [V, C], random; rows that are new keep it.
        source: [V', C], the encoder's table, whose row i belongs to ``weights.symbols[i]``.
        weights: the encoder (or mBART), its symbols.
        dictionary: our symbols.
        from_pieces: new rows are the mean of the rows of the pieces that the encoder's own sentencepiece model
            splits them into; those with unknown pieces only stay random.

    Returns:
        The table [V, C], and how many rows were copied, made of pieces and new, and how many of the encoder's were
        not used.

    Raises:
        InputError: the vocabularies have no piece in common.
    """
    rows = {symbol: row for row, symbol in enumerate(weights.symbols) if row < source.size(0)}
    table = start.clone()
    counts: Counter = Counter()
    found = [(i, rows[symbol]) for i, symbol in enumerate(dictionary.symbols) if symbol in rows]
    if not any(i >= dictionary.nspecial and dictionary[i] != MASK for i, _ in found):
        raise InputError(
            f"{weights.path}: no piece of the dictionary is in the encoder's vocabulary; binarize the text with the "
            "encoder's sentencepiece model"
        )
    ours, theirs = (torch.tensor(side) for side in zip(*found, strict=True))
    table[ours] = source[theirs].to(table)
    counts["copied by piece"] = len(found)
    new = [(i, symbol) for i, symbol in enumerate(dictionary.symbols) if symbol not in rows]
    if from_pieces:
        made = _rows_from_pieces(table, source, rows, weights, new)
        counts["the mean of their pieces"] = made
        counts["new"] = len(new) - made
    else:
        counts["new"] = len(new)
    counts["of the encoder not used"] = source.size(0) - len(set(theirs.tolist()))
    return table, counts


def _rows_from_pieces(
    table: Tensor, source: Tensor, rows: dict[str, int], weights: SourceVocabulary, new: list[tuple[int, str]]
) -> int:
    """Fill rows of ``table`` [V, C] in place; returns how many."""
    scores = piece_scores(load_sentencepiece(weights.sentencepiece))
    made = 0
    for i, symbol in new:
        if symbol.startswith("<") and symbol.endswith(">"):  # language tokens have no spelling
            continue
        pieces = [rows[piece] for piece in best_split(symbol, scores) if piece in rows]
        if pieces:
            table[i] = source[pieces].mean(0).to(table)
            made += 1
    return made
