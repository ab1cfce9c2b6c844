"""The samples of many corpora as one fairseq dataset: which are drawn in each epoch, their order and their batches.

Sample i of epoch e and all random choices about it depend only on (seed, e, i). Subclasses define what an example and a
batch contain.
"""

import zlib
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from fairseq.data import FairseqDataset, data_utils
from torch import Tensor

from swcm_fairseq.data.corpus_sampling import Purpose, generator, plan_epoch
from swcm_fairseq.data.dictionary import MultilingualDictionary
from swcm_fairseq.data.sample import Example, Sample
from swcm_fairseq.data.streams import FRAME, Stream

_BUCKET = 8  # width of a length bucket, in target positions


def padding_shares(sizes: np.ndarray, batches: Sequence[Sequence[int] | np.ndarray]) -> tuple[float, float]:
    """The shares of source and target positions that are padding.

    Args:
        sizes: source and target positions, integers, shape (samples, 2).
        batches: sample indices; no batch may be empty.
    """
    if not len(batches):
        return 0.0, 0.0
    samples = np.array([len(batch) for batch in batches])
    in_order = sizes[np.concatenate([np.asarray(batch) for batch in batches])].astype(np.int64)
    longest = np.maximum.reduceat(in_order, np.cumsum([0, *samples[:-1]]), axis=0)
    shares = 1 - in_order.sum(axis=0) / (longest * samples[:, None]).sum(axis=0)
    return float(shares[0]), float(shares[1])


@dataclass(frozen=True)
class Mix:
    """How samples of several streams become an epoch and its batches.

    Attributes:
        seed: the seed of the run.
        groups: the number that identifies each stream in batches, such as its index in the task's group names.
        counts: samples per epoch from each stream, int64, shape (streams,), see ``corpus_sampling.quotas``. With None,
            every epoch has every sample once, in order, with the same random choices (validation and generation).
        shards: number of data directories that take turns, one per epoch; these streams return after that many epochs.
        batch_groups: a number for each stream; only streams with the same number share batches. If None, all do.
    """

    seed: int
    groups: Sequence[int]
    counts: np.ndarray | None = None
    shards: int = 1
    batch_groups: Sequence[int] | None = None


class MixedDataset(FairseqDataset):
    """The samples of one split.

    Attributes:
        streams: the streams that samples come from.
        epoch: the current epoch, set by :meth:`set_epoch`.
        sizes: source and target positions of every sample of the epoch, int32, shape (samples, 2); upper bounds
            if noise changes the length.
        expected_sources: expected source positions after noise, int32, shape (samples,).
    """

    def __init__(
        self, streams: Sequence[Stream], dictionary: MultilingualDictionary, max_positions: int, mix: Mix
    ) -> None:
        """Args:
        streams: at least one; none may be empty.
        dictionary: a dictionary with ``<mask>``.
        max_positions: maximum length of source and of target, ``<s> <xx>`` and ``</s>`` included.
        mix: how an epoch is drawn from the streams.
        """
        self.streams, self.dictionary, self.max_positions, self.mix = list(streams), dictionary, max_positions, mix
        self._stream_sizes = np.concatenate([self._positions(stream) for stream in self.streams])
        sources = [self.expected_source_tokens(stream) for stream in self.streams]
        self._stream_sources = np.minimum(np.concatenate(sources) + FRAME, max_positions).astype(np.int32)
        self.epoch = 0
        self.set_epoch(1)

    # --- defined by subclasses ---

    @abstractmethod
    def __getitem__(self, index: int) -> Example:
        """One sample of the epoch."""

    @abstractmethod
    def collater(self, samples: list[Example]) -> Sample:
        """A batch; {} for no samples (fairseq's dummy batch)."""

    def most_source_tokens(self, stream: Stream) -> np.ndarray:
        """The maximum number of tokens per source of a stream, without the frame; int64, shape (len(stream),)."""
        return stream.source.sizes.astype(np.int64)

    def expected_source_tokens(self, stream: Stream) -> np.ndarray:
        """The expected number of tokens per source, without the frame; shape (len(stream),)."""
        return stream.source.sizes

    # --- contents of an epoch ---

    def _positions(self, stream: Stream) -> np.ndarray:
        """Maximum source positions and target positions, int32, shape (len(stream), 2)."""
        sizes = np.stack((self.most_source_tokens(stream), stream.target.sizes.astype(np.int64)), axis=1)
        return np.minimum(sizes + FRAME, self.max_positions).astype(np.int32)

    @property
    def can_reuse_epoch_itr_across_epochs(self) -> bool:
        """False in training, where each epoch has different samples and hence different batches."""
        return self.mix.counts is None

    def set_epoch(self, epoch: int) -> None:
        """Switch to the samples of ``epoch``, counted from 1."""
        if epoch == self.epoch:
            return
        first = self.epoch == 0
        self.epoch = epoch
        lengths = [len(stream) for stream in self.streams]
        if self.mix.counts is not None:
            earlier = (epoch - 1) // self.mix.shards
            self.stream_of, self.index_of = plan_epoch(lengths, self.mix.counts, self.mix.seed, epoch, earlier)
        elif first:
            self.stream_of = np.repeat(np.arange(len(lengths)), lengths)
            self.index_of = np.concatenate([np.arange(length) for length in lengths])
        else:
            return
        offsets = np.cumsum([0, *lengths[:-1]])
        places = offsets[self.stream_of] + self.index_of
        self.sizes, self.expected_sources = self._stream_sizes[places], self._stream_sources[places]

    def __len__(self) -> int:
        return len(self.stream_of)

    def located(self, index: int) -> tuple[int, int]:
        """Where sample ``index`` of the epoch comes from: the index of its stream and its index within the stream."""
        return int(self.stream_of[index]), int(self.index_of[index])

    def random(self, index: int) -> np.random.Generator:
        """The generator for random choices about one sample.

        In training it depends on seed, epoch and sample. In validation it depends on corpus and text, so it is the same
        in every run and epoch.
        """
        if self.mix.counts is not None:
            return generator(self.mix.seed, Purpose.NOISE, self.epoch, index)
        number, place = self.located(index)
        return generator(Purpose.VALID_NOISE, zlib.crc32(self.streams[number].group.encode()), place)

    def padded(self, tokens: list[Tensor]) -> Tensor:
        """``tokens`` as one right-padded tensor, int64, shape (samples, longest)."""
        return torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True, padding_value=self.dictionary.pad())

    # --- batches ---

    def num_tokens(self, index: int) -> int:
        """Positions in the longer side of one sample."""
        return int(self.sizes[index].max())

    def num_tokens_vec(self, indices: np.ndarray) -> np.ndarray:
        """:meth:`num_tokens` of many samples; the shape is that of ``indices``."""
        return self.sizes[indices].max(axis=1)

    def size(self, index: int) -> tuple[int, int]:
        """Source and target positions of one sample."""
        return int(self.sizes[index, 0]), int(self.sizes[index, 1])

    def ordered_indices(self) -> np.ndarray:
        """Samples from short to long, in random order if of equal length; batches are cut from this order.

        Samples are sorted by target length, in buckets of a few positions, and within a bucket by source length. The
        source order alternates between ascending and descending, so that sources in a batch from two adjacent buckets
        also have similar lengths. This keeps padding low on both sides.
        """
        if self.mix.counts is None:
            order = np.arange(len(self))
        else:
            order = generator(self.mix.seed, Purpose.BATCHES, self.epoch).permutation(len(self))
        bucket = self.sizes[order, 1] // _BUCKET
        return order[np.lexsort((self.expected_sources[order] * (1 - 2 * (bucket % 2)), bucket))]

    def padding(self, batches: Sequence[Sequence[int] | np.ndarray]) -> tuple[float, float]:
        """The shares of source and target positions in ``batches`` that are padding, for sources of expected size."""
        return padding_shares(np.stack((self.expected_sources, self.sizes[:, 1]), axis=1), batches)

    def filter_indices_by_size(
        self, indices: np.ndarray, max_sizes: tuple[int, int] | int | None
    ) -> tuple[np.ndarray, list[int]]:
        """As in fairseq, without a Python loop. The task ensures that no sample is too long."""
        return data_utils.filter_paired_dataset_indices_by_size(self.sizes[:, 0], self.sizes[:, 1], indices, max_sizes)

    def batch_by_size(
        self,
        indices: Sequence[int] | np.ndarray,
        max_tokens: int | None = None,
        max_sentences: int | None = None,
        required_batch_size_multiple: int = 1,
    ) -> list[np.ndarray]:
        """Cut ``indices`` into batches without dropping any.

        fairseq drops the last samples if their number is not a multiple of ``required_batch_size_multiple``; here they
        form a separate batch.
        """
        batches: list[np.ndarray] = []
        for part in self._batch_parts(np.asarray(indices)):
            found = super().batch_by_size(part, max_tokens, max_sentences, required_batch_size_multiple)
            left = part[sum(len(batch) for batch in found) :]
            batches += [*found, left] if len(left) else found
        return batches

    def _batch_parts(self, indices: np.ndarray) -> list[np.ndarray]:
        """``indices``, split into the parts that may share batches."""
        if self.mix.batch_groups is None:
            return [indices] if len(indices) else []
        keys = np.asarray(self.mix.batch_groups)[self.stream_of[indices]]
        return [indices[keys == key] for key in np.unique(keys)]
