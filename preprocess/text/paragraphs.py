"""Paragraphs that occur in many documents of a corpus: menus, notices and other boilerplate of websites."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from ..readers.records import Document
from ..readers.source import Item, Unread
from ..steps.ledger import Reject

ROWS, WIDTH_BITS = 4, 24  # one-byte counters: 64 MiB regardless of the size of the corpus
MOST = 255  # maximum of a counter
_MULTIPLIERS = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64)


def paragraphs_of(text: str) -> list[str]:
    """The nonblank lines of a document."""
    return [line for line in text.split("\n") if line.strip()]


def keys_of(paragraphs: Iterable[str]) -> np.ndarray:
    """A 64-bit hash of each paragraph, independent of its spacing; uint64, shape (paragraphs,)."""
    digests = b"".join(
        hashlib.blake2b(" ".join(each.split()).encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for each in paragraphs
    )
    return np.frombuffer(digests, dtype="<u8")


class ParagraphCounts:
    """Counts the documents in which each paragraph occurs, in constant memory.

    A count-min sketch (Cormode and Muthukrishnan 2005): no count is too low; with 2 million distinct paragraphs, about
    one count in 5,000 is too high. The order of the documents does not matter.
    """

    def __init__(self) -> None:
        self._counts = np.zeros((ROWS, 1 << WIDTH_BITS), dtype=np.uint8)

    def add(self, keys: np.ndarray) -> None:
        """Count paragraphs by their keys; ``keys`` contains each key once per document."""
        for row, places in zip(self._counts, self._places(keys), strict=True):
            place, times = np.unique(places, return_counts=True)
            row[place] = np.minimum(MOST, row[place] + times)

    def count(self, keys: np.ndarray) -> np.ndarray:
        """Number of documents that contain each paragraph, up to :data:`MOST`; shape (keys,)."""
        return self._counts[np.arange(ROWS)[:, None], self._places(keys)].min(axis=0)

    @staticmethod
    def _places(keys: np.ndarray) -> np.ndarray:
        """Index of the counter of each key in each row, shape (rows, keys)."""
        return (keys[None, :] * _MULTIPLIERS[:, None]) >> np.uint64(64 - WIDTH_BITS)


def document_keys(items: list[Item]) -> tuple[int, np.ndarray]:
    """Number of items, and the keys of their paragraphs, each once per document; for worker processes."""
    keys = []
    for item in items:
        record = item.record() if isinstance(item, Unread) else item
        if isinstance(record, Document):
            keys.append(np.unique(keys_of(paragraphs_of(record.text))))
    return len(items), np.concatenate(keys) if keys else keys_of([])


@dataclass
class Marked:
    """A document with paragraphs that occur in many others.

    Attributes:
        document: the document.
        paragraphs: paragraphs of the document.
        keys: key of each repeated paragraph; None for other paragraphs.
    """

    document: Document
    paragraphs: list[str]
    keys: list[int | None]

    def without(self, seen: set[int], reason: str) -> tuple[Document, list[Reject]]:
        """The document without repeated paragraphs that occurred before, and these paragraphs as rejects.

        The first document with a paragraph keeps it, so no paragraph disappears from the corpus altogether. The keys of
        repeated paragraphs are added to ``seen``.
        """
        kept, rejects = [], []
        for number, (text, key) in enumerate(zip(self.paragraphs, self.keys, strict=True), start=1):
            if key is None or key not in seen:
                kept.append(text)
            else:
                rejects.append(Reject(*self.document.where, f"paragraph {number} {reason}"))
            if key is not None:
                seen.add(key)
        return replace(self.document, text="\n".join(kept)), rejects


@dataclass
class RepeatedParagraphs:
    """Finds repeated paragraphs; sent to each worker process.

    Attributes:
        counts: paragraph counts over all documents.
        least: minimum number of documents with a repeated paragraph.
    """

    counts: ParagraphCounts
    least: int

    def mark(self, document: Document) -> Marked | None:
        """The document with its repeated paragraphs marked, None if it has none."""
        paragraphs = paragraphs_of(document.text)
        keys = keys_of(paragraphs)
        repeated = self.counts.count(keys) >= self.least
        if not repeated.any():
            return None
        return Marked(document, paragraphs, [int(k) if r else None for k, r in zip(keys, repeated, strict=True)])
