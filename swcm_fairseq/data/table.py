"""The table that is shown when training starts."""

from collections.abc import Iterator, Sequence

import numpy as np

from swcm_fairseq.data.streams import Stream


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
