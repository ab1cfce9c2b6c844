"""Filters that compare a line with other lines: duplicates, near duplicates, and lines of the test sets."""

import hashlib
import unicodedata
from collections.abc import Iterable

from datasketch import MinHash, MinHashLSH

PERMUTATIONS = 64
SHINGLE_CHARS = 5


def folded(text: str) -> str:
    """Only the letters, marks and digits, with case and compatibility forms folded."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(character for character in plain if unicodedata.category(character)[0] in "LMN") or plain


def _digest(parts: Iterable[str]) -> bytes:
    return hashlib.blake2b("\n".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()


class Exact:
    """Recognizes exact repetitions; stores 8 bytes per line, so 10^6 lines have a false match with probability 10^-7.

    Args:
        fold: whether to compare :func:`folded` text.
    """

    def __init__(self, fold: bool):
        self._fold = fold
        self._seen: set[bytes] = set()

    def seen(self, line: tuple[str, ...]) -> bool:
        """Whether the line (all sides of a pair) occurred before; remembers it."""
        key = _digest(map(folded, line) if self._fold else line)
        if key in self._seen:
            return True
        self._seen.add(key)
        return False


class HeldOut:
    """Recognizes lines of which either side occurs in the validation or test sets."""

    def __init__(self, lines: Iterable[str]):
        self._keys = {_digest([folded(line)]) for line in lines if line.strip()}

    def holds(self, line: tuple[str, ...]) -> bool:
        """Whether any side of the line is held out."""
        return any(_digest([folded(side)]) in self._keys for side in line)


class Near:
    """Recognizes lines that resemble an earlier one: Jaccard similarity of character 5-grams, estimated by MinHash.

    Args:
        threshold: minimum similarity of a near duplicate, 0 to 1.
    """

    def __init__(self, threshold: float):
        self._index = MinHashLSH(threshold=threshold, num_perm=PERMUTATIONS)
        self._threshold = threshold
        self._lines = 0

    def seen(self, line: tuple[str, ...]) -> bool:
        """Whether the line resembles an earlier one; if not, later lines are compared with it."""
        text = folded(" ".join(line))
        sketch = MinHash(num_perm=PERMUTATIONS, seed=1)
        starts = range(max(1, len(text) - SHINGLE_CHARS + 1))
        sketch.update_batch({text[i : i + SHINGLE_CHARS].encode("utf-8", "surrogatepass") for i in starts})
        if self._index.query(sketch):
            return True
        self._index.insert(self._lines, sketch, check_duplication=False)
        self._lines += 1
        return False
