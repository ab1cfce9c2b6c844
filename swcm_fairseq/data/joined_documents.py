"""Documents joined into one long text and cut at a fixed length, as CINO does with Chinese (Yang et al. 2022,
appendix A)."""

import numpy as np


class JoinedDocuments:
    """Texts of exactly ``limit`` tokens, except the last one: the documents in order, with ``</s>`` between them.

    The interface is that of :class:`~swcm_fairseq.data.blocks.Blocks`. No token is lost.

    Attributes:
        sizes: tokens per text, int32, shape (texts,).
        documents: number of documents in the dataset.
    """

    def __init__(self, data, limit: int, bos: int, eos: int):
        """Args:
        data: documents as 1-d LongTensors, with or without ``eos`` at the end, with ``sizes``.
        limit: tokens per text.
        bos: id to remove from the beginning of a document, if present.
        eos: id to place between documents, once, whether or not they end with it.
        """
        self.data, self.limit, self.bos, self.eos = data, limit, bos, eos
        sizes = np.asarray(data.sizes, dtype=np.int64)
        extra = len(self._document(0)) - int(sizes[0]) if len(sizes) else 0  # the same for all documents
        self.ends = np.cumsum(sizes + extra)
        self.documents = len(sizes)
        total = max(int(self.ends[-1]) - 1, 0) if len(sizes) else 0  # omit </s> after the last document
        count = -(-total // limit)
        self.sizes = np.full(count, limit, dtype=np.int32)
        if count:
            self.sizes[-1] = total - (count - 1) * limit

    def __len__(self) -> int:
        return len(self.sizes)

    def __getitem__(self, index: int) -> np.ndarray:
        """Ids of one text, int64, shape (size,)."""
        start = index * self.limit
        end = start + int(self.sizes[index])
        first, last = np.searchsorted(self.ends, (start, end - 1), side="right")
        text = np.concatenate([self._document(i) for i in range(first, last + 1)])
        begin = start - int(self.ends[first - 1] if first else 0)
        return text[begin : begin + end - start]

    def full(self, index: int) -> np.ndarray:
        """The text itself, because it belongs to no single document."""
        return self[index]

    def _document(self, index: int) -> np.ndarray:
        """Ids of a document, followed by ``</s>``."""
        ids = self.data[int(index)].numpy()
        if len(ids) and ids[0] == self.bos:
            ids = ids[1:]
        return ids if len(ids) and ids[-1] == self.eos else np.append(ids, self.eos)
