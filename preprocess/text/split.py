"""Split text into train, valid and test by the content of its lines, so that repeated lines stay together."""

import hashlib
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

from swcm_fairseq.errors import InputError
from swcm_fairseq.output_files import LineFiles

from ..steps.parallel import ordered_map
from .duplicates import folded
from .text_files import Block, decoded, read_blocks

_STEPS = 1 << 32
MAX_LINE_BYTES = 1 << 26  # the maximum length of a record


def split_position(line: str) -> float:
    """A number in [0, 1) that depends only on the letters and digits of the line."""
    digest = hashlib.blake2b(folded(line).encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "big") / _STEPS


@dataclass
class Divider:
    """Decides which split each line of a block belongs to; sent to each worker process."""

    shares: dict[str, float]

    def __call__(self, block: Block) -> tuple[int, list[tuple[str, tuple[str, ...]]]]:
        """Bytes read so far, and the (split, sides) of each line."""
        lines = [
            tuple(decoded(raw, path, number, MAX_LINE_BYTES) for raw, path in zip(row, block.paths, strict=True))
            for number, row in enumerate(zip(*block.sides, strict=True), start=block.first_line)
        ]
        return block.position, [(_split_of(split_position(line[0]), self.shares), line) for line in lines]


def split_lines(
    paths: list[Path],
    outputs: dict[str, list[Path]],
    shares: dict[str, float],
    limits: dict[str, int],
    workers: int,
) -> Counter[str]:
    """Write each line or pair to the split that the :func:`split_position` of its first side falls into.

    Args:
        paths: one file, or the two files of pairs.
        outputs: the files of each split.
        shares: share of each split, summing to 1; the first split takes the lowest positions.
        limits: maximum number of lines of some splits; the first lines are kept.
        workers: number of processes.

    Returns:
        number of lines per split; lines beyond a limit are counted as "over the limit".

    Raises:
        InputError: a split receives no lines, or a file cannot be read or written; no output is written then.
    """
    counts: Counter[str] = Counter()
    total = sum(path.stat().st_size for path in paths)
    with ExitStack() as stack:
        files = {split: stack.enter_context(LineFiles(places)) for split, places in outputs.items()}
        bar = stack.enter_context(
            tqdm(total=total, unit="B", unit_scale=True, desc="dividing", leave=False, disable=None)
        )
        for position, lines in ordered_map(Divider(shares), read_blocks(tuple(paths), MAX_LINE_BYTES), workers):
            for split, line in lines:
                if counts[split] >= limits.get(split, counts[split] + 1):
                    counts["over the limit"] += 1
                    continue
                counts[split] += 1
                files[split].write(line)
            bar.update(position - bar.n)
        for split in shares:
            if not counts[split]:
                raise InputError(f"{paths[0]}: no line falls into the split {split!r}; give it a larger share")
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
