"""Embedding tables for another vocabulary: every row follows its piece."""

import torch
from torch import Tensor

from swcm_fairseq.errors import InputError

INIT_STD = 0.02  # of new rows, as the code of BERT and XLM-R draws them


MAX_SEED = 2**63


def generator_of(seed: int) -> torch.Generator:
    """A generator of random numbers; raises :class:`InputError` for a seed that torch does not take."""
    if not -MAX_SEED <= seed < MAX_SEED:
        raise InputError(f"--seed {seed}: give a number of at most 18 digits")
    return torch.Generator().manual_seed(seed)


def carried(table: Tensor, index: Tensor, generator: torch.Generator, std: float = INIT_STD) -> Tensor:
    """``table[index]``; where the index is -1, a new row with mean 0, or 0 if a row is one number (a bias).

    Args:
        table: shape (rows, ...).
        index: old row of each new one, int64, shape (new rows,).
        generator: of the new rows.
        std: their standard deviation.

    Returns:
        shape (new rows, ...), the type of ``table``.
    """
    shape = (len(index), *table.shape[1:])
    fresh = torch.normal(0.0, std, shape, generator=generator) if table.dim() > 1 else torch.zeros(shape)
    known = (index >= 0).reshape(-1, *[1] * (table.dim() - 1))
    return torch.where(known, table[index.clamp(min=0)], fresh.to(table.dtype))
