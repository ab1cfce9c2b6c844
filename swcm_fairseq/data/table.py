"""How many samples of each corpus an epoch has, and the table of it that is shown when training starts."""

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from swcm_fairseq.data.sampling import probabilities, quotas
from swcm_fairseq.data.streams import Stream
from swcm_fairseq.errors import InputError

logger = logging.getLogger(__name__)


def planned_counts(
    streams: Sequence[Stream],
    alpha: float,
    samples_per_epoch: int | None,
    by_tokens: bool = False,
    translation_share: float | None = None,
) -> np.ndarray:
    """How many samples of each stream an epoch has, int64, shape (streams,); logs the table.

    Args:
        streams: at least one.
        alpha: temperature, see :func:`probabilities`.
        samples_per_epoch: None: as many as there are.
        by_tokens: what sizes are counted in, tokens or samples.
        translation_share: see :func:`probabilities`.

    Raises:
        InputError: a number is out of range.
    """
    p = probabilities(
        [max(stream.tokens, 1) if by_tokens else len(stream) for stream in streams],
        alpha,
        [stream.translation for stream in streams],
        translation_share,
    )
    total = samples_per_epoch if samples_per_epoch is not None else sum(len(stream) for stream in streams)
    if total < 1:
        raise InputError(f"--samples-per-epoch {total}: give a number above 0")
    counts = quotas(p, total)
    for line in sampling_table(streams, p, counts, by_tokens):
        logger.info(line)
    return counts


def sampling_table(streams: Sequence[Stream], p: np.ndarray, counts: np.ndarray, by_tokens: bool) -> Iterator[str]:
    """Lines: corpus, samples, tokens, q, p, expected samples an epoch, passes over the corpus an epoch."""
    width = max(len("corpus"), *(len(stream.group) for stream in streams))
    heads = f"{'samples':>11} {'tokens':>14} {'q':>7} {'p':>7} {'samples/epoch':>13} {'passes/epoch':>12}"
    yield f"{'corpus':{width}} {heads}"
    quantities = np.array([stream.tokens if by_tokens else len(stream) for stream in streams], dtype=np.float64)
    q = quantities / max(quantities.sum(), 1)
    for stream, share, probability, count in zip(streams, q, p, counts, strict=True):
        yield (
            f"{stream.group:{width}} {len(stream):11,} {stream.tokens:14,} {share:7.4f} {probability:7.4f} "
            f"{count:13,} {count / len(stream):12.3f}"
        )
    samples, tokens = sum(len(stream) for stream in streams), sum(stream.tokens for stream in streams)
    yield (
        f"{'total':{width}} {samples:11,} {tokens:14,} {1:7.4f} {1:7.4f} {counts.sum():13,} "
        f"{counts.sum() / samples:12.3f}"
    )
