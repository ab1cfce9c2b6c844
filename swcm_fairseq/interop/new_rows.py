"""Initialize the embedding rows of new pieces with means of old rows instead of at random."""

import torch
from torch import Tensor

from swcm_fairseq.interop.row_plans import Start
from swcm_fairseq.interop.rows import generator_of

# Standard deviation of the noise, relative to the old rows. Pieces with the same translation must get different rows.
NOISE = 0.25


def started_rows(table: Tensor, places: dict[str, int], starts: list[Start], push_apart: float, seed: int) -> Tensor:
    """The rows that ``starts`` describe.

    A row is the weighted mean of old rows plus noise, rescaled to their average length, because a mean of vectors is
    shorter. ``push_apart`` moves all rows of a language in one random direction. A piece and its translation start at
    the same point; with a separate direction per language, the output layer can tell them apart.

    Args:
        table: [V, C], or [V] for the output bias, to which only the averaging applies.
        places: row of each old piece.
        starts: n row plans.
        push_apart: distance, as a share of the mean length of old rows.
        seed: random seed of noise and directions.

    Returns:
        [n, C] or [n], of the same type as ``table``.
    """
    if not starts:
        return table[:0]
    old = table[list(places.values())].float()
    flat = old.reshape(len(old), -1)
    mix = _mixture(list(places), starts)
    no_parts = torch.tensor([not start.parts for start in starts])
    rows = torch.sparse.mm(mix, flat)
    rows[no_parts] = flat.mean(0)
    if table.dim() == 1:
        return rows[:, 0].to(table.dtype)
    lengths = torch.sparse.mm(mix, old.norm(dim=1, keepdim=True))
    lengths[no_parts] = rows[no_parts].norm(dim=1, keepdim=True)
    generator = generator_of(seed)
    rows += NOISE * old.std(0) * torch.randn(rows.shape, generator=generator)
    rows += push_apart * old.norm(dim=1).mean() * _directions(starts, old.size(1), generator)
    return (rows * lengths / rows.norm(dim=1, keepdim=True)).to(table.dtype)


def _mixture(pieces: list[str], starts: list[Start]) -> Tensor:
    """The weights of ``starts`` as a sparse matrix, float32 [n, pieces]."""
    places = {piece: i for i, piece in enumerate(pieces)}
    cells = [(i, places[part], weight) for i, start in enumerate(starts) for part, weight in start.parts]
    indices = torch.tensor([cell[:2] for cell in cells], dtype=torch.int64).reshape(-1, 2).T
    weights = torch.tensor([weight for *_, weight in cells], dtype=torch.float32)
    return torch.sparse_coo_tensor(indices, weights, (len(starts), len(pieces)), check_invariants=True)


def _directions(starts: list[Start], width: int, generator: torch.Generator) -> Tensor:
    """A random direction of length 1 for each language, float32 [n, C]."""
    langs = sorted({start.lang for start in starts})
    directions = torch.randn(len(langs), width, generator=generator)
    directions /= directions.norm(dim=1, keepdim=True)
    return directions[[langs.index(start.lang) for start in starts]]
