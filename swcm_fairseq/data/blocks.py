"""Texts of bounded length: long documents are truncated, or cut into blocks at sentence ends."""

import numpy as np
from tqdm import tqdm

from swcm_fairseq.data.piece_boundaries import PieceTable

_CHUNK_TOKENS = 4_000_000  # tokens cut at a time, to bound memory


class Blocks:
    """Texts of at most ``limit`` tokens, as views into an indexed dataset.

    Attributes:
        sizes: number of tokens per text without ``</s>``, int32, shape (texts,).
        documents: number of documents in the dataset.
        documents_cut: number of documents longer than ``limit``.
        tokens_lost: number of tokens lost to truncation; 0 for blocks.
    """

    def __init__(self, data, limit: int, bos: int, eos: int, pieces: PieceTable | None = None):
        """Cut ``data`` into blocks at the sentence ends of ``pieces``, or truncate it if ``pieces`` is None.

        Args:
            data: documents as 1-d LongTensors that end with ``eos``, with ``sizes``.
            limit: maximum number of tokens per text, without ``<s> <xx>`` and ``</s>``.
            bos: id to remove from the beginning of a document, if present.
            eos: id to remove from the end of a document, if present.
            pieces: table that says which pieces end a sentence.
        """
        self.data, self.limit, self.bos, self.eos = data, limit, bos, eos
        sizes = np.asarray(data.sizes, dtype=np.int64)
        # All documents have the same special tokens: with or without <s>, with or without </s>.
        specials = len(data[0]) - len(self._document(0)) if len(sizes) else 0
        lengths = np.maximum(sizes - specials, 0)
        self.documents = len(lengths)
        long = lengths > limit
        self.documents_cut = int(long.sum())
        self.tokens_lost = 0
        self.document: np.ndarray | None = None  # if None, text i is the beginning of document i
        if pieces is None or not self.documents_cut:
            self.tokens_lost = int((lengths - limit)[long].sum())
            self.sizes = np.minimum(lengths, limit).astype(np.int32)
        else:
            self._cut(lengths, pieces)

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> np.ndarray:
        """Ids of one text, int64, shape (size,)."""
        if self.document is None:
            return self._document(index)[: self.limit]
        start = self.start[index]
        return self._document(int(self.document[index]))[start : start + self.sizes[index]]

    def full(self, index: int) -> np.ndarray:
        """Ids of the whole document that text ``index`` comes from."""
        return self._document(index if self.document is None else int(self.document[index]))

    def _document(self, index: int) -> np.ndarray:
        ids = self.data[index].numpy()
        if len(ids) and ids[-1] == self.eos:
            ids = ids[:-1]
        return ids[1:] if len(ids) and ids[0] == self.bos else ids

    def _cut(self, lengths: np.ndarray, pieces: PieceTable) -> None:
        """Set ``document``, ``start`` and ``sizes``, one entry per block."""
        documents, starts = [np.flatnonzero(lengths <= self.limit)], [np.zeros(int((lengths <= self.limit).sum()), int)]
        sizes = [lengths[documents[0]]]
        long = np.flatnonzero(lengths > self.limit)
        chunk = np.cumsum(lengths[long]) // _CHUNK_TOKENS
        parts = np.split(long, np.flatnonzero(np.diff(chunk)) + 1)
        for part in tqdm(parts, desc="cutting documents", unit="part", leave=False, delay=2, disable=None):
            for where, start, size in self._cut_chunk(part, pieces):
                documents.append(where)
                starts.append(start)
                sizes.append(size)
        document = np.concatenate(documents)
        start = np.concatenate(starts)
        order = np.lexsort((start, document))
        self.document = document[order]
        self.start = start[order].astype(np.int32)
        self.sizes = np.concatenate(sizes)[order].astype(np.int32)

    def _cut_chunk(self, documents: np.ndarray, pieces: PieceTable):
        """Cut ``documents`` in parallel, one block of each per round; yields (document, start, size) arrays."""
        texts = [self._document(int(i)) for i in documents]
        lengths = np.array([len(text) for text in texts])
        ends = np.cumsum(lengths)
        begins = ends - lengths
        boundary = pieces.sentence_starts(np.concatenate(texts))
        boundary[begins] = True
        last_boundary = np.maximum.accumulate(np.where(boundary, np.arange(len(boundary)), 0))
        position = begins.copy()
        active = np.arange(len(documents))
        while len(active):
            here, end = position[active], ends[active]
            cut = last_boundary[np.minimum(here + self.limit, end - 1)]
            # Cut a sentence longer than a block where the block is full; the last block takes the rest.
            cut = np.where(cut <= here, here + self.limit, cut)
            cut = np.where(here + self.limit >= end, end, cut)
            yield documents[active], here - begins[active], cut - here
            position[active] = cut
            active = active[cut < end]
