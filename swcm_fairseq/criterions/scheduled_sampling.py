"""Scheduled sampling in two parallel passes (Mihaylova & Martins 2019, section 3).

A first decoder pass without gradient predicts every position. A random part of the decoder input is replaced by these
predictions, and a second pass trains on the mixture. This module chooses the positions and the predictions.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from swcm_fairseq.criterions.linear_cross_entropy import aligned_rows, matmul, operands
from swcm_fairseq.data.sample import replaceable_positions  # noqa: F401


@dataclass(frozen=True)
class Prediction:
    """How the first pass chooses a token.

    Attributes:
        sample: whether to draw from the distribution instead of taking the most probable token.
        temperature: number by which logits are divided before drawing.
        topk: number of most probable tokens to draw from; 0 means all.
    """

    sample: bool = False
    temperature: float = 1.0
    topk: int = 0


def seeded_generator(device: torch.device, *key: int) -> torch.Generator:
    """A generator on ``device`` whose state depends only on ``key``, so it is the same after resuming."""
    digest = hashlib.blake2b(",".join(map(str, key)).encode(), digest_size=8).digest()
    return torch.Generator(device).manual_seed(int.from_bytes(digest, "big") >> 1)


def draw_positions(replaceable: Tensor, ratio: float, generator: torch.Generator) -> Tensor:
    """Draw each of the ``replaceable`` positions, bool [B, T], with probability ``1 - ratio``; bool [B, T]."""
    chance = torch.rand(replaceable.shape, generator=generator, device=replaceable.device)
    return replaceable & (chance >= ratio)


def predict(
    features: Tensor,
    weight: Tensor,
    forbidden: Tensor,
    prediction: Prediction,
    generator: torch.Generator,
    chunk_rows: int,
) -> Tensor:
    """Predict tokens int64 [N] from ``features`` [N, C] with the output matrix ``weight`` [V, C], in chunks of rows.

    The ids ``forbidden``, int64 [K], are never predicted: padding would mask the position, and ``<s>`` only occurs at
    the start of a text.
    """
    left, matrix = operands(features, weight)
    tokens = torch.empty(len(left), dtype=torch.long, device=left.device)
    with torch.no_grad(), torch.autocast(left.device.type, enabled=False):
        exact = torch.promote_types(left.dtype, torch.float32)
        buffer = aligned_rows(min(chunk_rows, len(left)), len(matrix), exact, left.device)
        for start in range(0, len(left), chunk_rows):
            rows = slice(start, start + chunk_rows)
            logits = matmul(left[rows], matrix.t(), out=buffer[: len(left[rows])])
            logits[:, forbidden] = -torch.inf
            tokens[rows] = _choose(logits, prediction, generator)
    return tokens


def _choose(logits: Tensor, prediction: Prediction, generator: torch.Generator) -> Tensor:
    """Choose one token per row of ``logits`` [n, V]; int64 [n]."""
    if not prediction.sample:
        return logits.argmax(dim=1)
    if not prediction.topk:
        return _drawn(_tempered(logits, prediction.temperature), generator)
    values, tokens = logits.topk(min(prediction.topk, logits.size(1)), dim=1)
    chosen = _drawn(_tempered(values, prediction.temperature), generator)
    return tokens.gather(1, chosen.unsqueeze(1)).squeeze(1)


def _drawn(probabilities: Tensor, generator: torch.Generator) -> Tensor:
    """Draw one index per row of ``probabilities`` [n, V]; int64 [n].

    This is the method of ``torch.multinomial`` without its checks, each of which waits for the GPU.
    """
    return (probabilities / torch.empty_like(probabilities).exponential_(1.0, generator=generator)).argmax(dim=1)


def _tempered(logits: Tensor, temperature: float) -> Tensor:
    """Probabilities [n, V] at a temperature; logits are shifted to a maximum of 0 first, so the division cannot
    overflow to infinity.
    """
    return (logits - logits.amax(dim=1, keepdim=True)).div_(temperature).softmax(dim=1)


def mix_inputs(prev_output_tokens: Tensor, replaced: Tensor, predictions: Tensor) -> Tensor:
    """``prev_output_tokens`` [B, T] with ``predictions`` [N] at the N positions of ``replaced`` [B, T], in order."""
    return prev_output_tokens.masked_scatter(replaced, predictions)


def features_before(features: Tensor, places: Tensor) -> Tensor:
    """Features [N, C] at t - 1, where the token at t is predicted, for flat ``places`` int64 [N] in [B, T], t > 0."""
    return features.flatten(0, 1).index_select(0, places - 1)


def batch_key(seed: int, update: int, rank: int, ids: Iterable[int]) -> Sequence[int]:
    """The key that determines the random choices for a batch.

    The sample ids distinguish the batches of one update (``--update-freq``) without a counter. So nothing has to be
    saved, and a batch that is repeated after a gradient overflow gets the same choices.
    """
    return (seed, update, rank, *map(int, ids))
