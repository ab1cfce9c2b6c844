"""Divide text among train, valid and test by the content of its lines, so that repeats never fall apart."""

import hashlib
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from preprocess.duplicates import folded
from preprocess.outputs import LineFiles
from preprocess.text import open_lines

_STEPS = 1 << 32


def place(line: str) -> float:
    """A number in [0, 1) that depends on the letters and digits of the line alone."""
    digest = hashlib.blake2b(folded(line).encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "big") / _STEPS


def split_lines(
    paths: list[Path], outputs: dict[str, list[Path]], shares: dict[str, float], limit: int | None
) -> Counter[str]:
    """Write each line (of each side) to the split that its first side's :func:`place` falls into.

    Args:
        paths: one file, or the two of pairs.
        outputs: the files of each split.
        shares: of each split, summing to 1; the first takes the lowest places.
        limit: at most so many lines of each split, the first ones; None for all.

    Returns:
        lines of each split; lines beyond the limit are counted as "over the limit".
    """
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        files = {split: stack.enter_context(LineFiles(places)) for split, places in outputs.items()}
        for line in zip(*(open_lines(path) for path in paths), strict=True):
            split = _split_of(place(line[0]), shares)
            if limit is not None and counts[split] >= limit:
                counts["over the limit"] += 1
                continue
            counts[split] += 1
            files[split].write(line)
        for each in files.values():
            each.commit()
    return counts


def _split_of(number: float, shares: dict[str, float]) -> str:
    end = 0.0
    for split, share in shares.items():
        end += share
        if number < end:
            return split
    return split
