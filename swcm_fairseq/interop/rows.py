"""Convert tables with one row per symbol to another vocabulary; every row follows its piece, never its index."""

from collections.abc import Sequence

import torch
from torch import Tensor

from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.row_plans import INIT_STD

MAX_SEED = 2**63
EMBED_TOKENS = "embed_tokens.weight"  # fairseq's name of the embedding table, after the prefix of its model
# Name endings of tensors with one row per symbol, in fairseq and in Hugging Face (a bias has one number per symbol).
TOKEN_TABLES = (EMBED_TOKENS, "output_projection.weight")
EMBEDDINGS = "word_embeddings.weight"
HUGGINGFACE_TABLES = (EMBEDDINGS, "lm_head.decoder.weight", "lm_head.decoder.bias", "lm_head.bias")


def generator_of(seed: int) -> torch.Generator:
    """A random generator; raises :class:`InputError` for a seed that torch does not accept."""
    if not -MAX_SEED <= seed < MAX_SEED:
        raise InputError(f"--seed {seed}: give a number of at most 18 digits")
    return torch.Generator().manual_seed(seed)


def row_index(old: Sequence[str], new: Sequence[str]) -> Tensor:
    """For each symbol of ``new``, its row in ``old``, or -1 if it has none; int64, shape (new,)."""
    rows = {symbol: row for row, symbol in enumerate(old)}
    return torch.tensor([rows.get(symbol, -1) for symbol in new], dtype=torch.int64)


def with_known_rows(start: Tensor, table: Tensor, index: Tensor) -> Tensor:
    """``table[index]``, and ``start`` where the index is -1.

    Args:
        start: shape (new rows, ...), the new rows.
        table: shape (rows, ...).
        index: see :func:`row_index`.

    Returns:
        same shape and type as ``start``.
    """
    known = (index >= 0).reshape(-1, *[1] * (table.dim() - 1))
    return torch.where(known, table[index.clamp(min=0)].to(start), start)


def carried(table: Tensor, index: Tensor, generator: torch.Generator, std: float = INIT_STD) -> Tensor:
    """``table[index]``; where the index is -1, a random row with mean 0 or, in a bias, the value 0.

    Args:
        table: shape (rows, ...).
        index: see :func:`row_index`.
        generator: random generator for the new rows.
        std: standard deviation of the new rows.

    Returns:
        shape (new rows, ...), same type as ``table``.
    """
    shape = (len(index), *table.shape[1:])
    start = torch.normal(0.0, std, shape, generator=generator) if table.dim() > 1 else torch.zeros(shape)
    return with_known_rows(start.to(table.dtype), table, index)
