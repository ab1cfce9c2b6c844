"""A subset of a corpus, to measure the effect of the amount of data."""

import zlib

import numpy as np
import torch

from swcm_fairseq.data.corpus_sampling import Purpose, generator
from swcm_fairseq.errors import InputError


class DocumentSubset:
    """A random subset of the documents of a dataset, in a fixed order.

    Every run, side and direction gets the same documents, and a smaller subset is contained in a larger one.

    Attributes:
        sizes: tokens per document, shape (number,).
    """

    def __init__(self, data, number: int, corpus: str):
        """Args:
        data: documents as 1-d LongTensors, with ``sizes``.
        number: number of documents to use.
        corpus: name of the corpus; the choice depends on it.

        Raises:
            InputError: ``number`` is not above 0, or the dataset has fewer documents.
        """
        if not 0 < number <= len(data):
            raise InputError(
                f"--train-samples {number}: {corpus} has {len(data):,} training samples; give 1 to {len(data):,}, or "
                "use --corpora to select corpora that have enough"
            )
        order = generator(Purpose.SUBSET, zlib.crc32(corpus.encode()))
        self.data, self.chosen = data, order.permutation(len(data))[:number]
        self.sizes = np.asarray(data.sizes)[self.chosen]

    def __len__(self) -> int:
        return len(self.chosen)

    def __getitem__(self, index: int) -> torch.Tensor:
        """Ids of one document."""
        return self.data[int(self.chosen[index])]
