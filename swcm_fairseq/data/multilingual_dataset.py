"""Denoising and translation samples of many corpora as one fairseq dataset.

Sample i of epoch e, with its noise, is a function of (seed, e, i) alone.
"""

import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from fairseq.data import Dictionary, FairseqDataset, data_utils

from swcm_fairseq.data.batch_facts import BatchFacts
from swcm_fairseq.data.corpus_sampling import Purpose, generator, plan_epoch
from swcm_fairseq.data.languages import language_token
from swcm_fairseq.data.noise import Noise, NoiseIds, add_noise
from swcm_fairseq.data.piece_boundaries import PieceTable
from swcm_fairseq.data.streams import FRAME, Stream
from swcm_fairseq.data.vocabulary import MASK

_BUCKET = 8  # positions of the target that count as one length


def padding_shares(sizes: np.ndarray, batches: Sequence[Sequence[int]]) -> tuple[float, float]:
    """The share of positions that are padding, of each side.

    Args:
        sizes: positions of source and target, integers, shape (samples, 2).
        batches: indices of samples; none empty.
    """
    if not len(batches):
        return 0.0, 0.0
    samples = np.array([len(batch) for batch in batches])
    in_order = sizes[np.concatenate([np.asarray(batch) for batch in batches])].astype(np.int64)
    longest = np.maximum.reduceat(in_order, np.cumsum([0, *samples[:-1]]), axis=0)
    shares = 1 - in_order.sum(axis=0) / (longest * samples[:, None]).sum(axis=0)
    return float(shares[0]), float(shares[1])


class MultilingualDataset(FairseqDataset):
    """The samples of one split.

    Attributes:
        streams: where samples come from.
        epoch: the epoch whose samples are given; set by :meth:`set_epoch`.
        sizes: positions of source and target of every sample of the epoch, int32, shape (samples, 2); the most that
            they can be.
        expected_sources: positions of its source that are to be expected after the noise, int32, shape (samples,).
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        dictionary: Dictionary,
        noise: Noise,
        max_positions: int,
        seed: int,
        groups: Sequence[int],
        counts: np.ndarray | None = None,
        shards: int = 1,
        batch_groups: Sequence[int] | None = None,
    ):
        """Args:
        streams: at least one, none empty.
        dictionary: with ``<mask>`` and the language tokens.
        noise: what is done to text that is to be denoised.
        max_positions: of source and target each, ``<s> <xx>`` and ``</s>`` included.
        seed: of the run.
        groups: index of each stream in the task's group names.
        counts: samples an epoch of each stream (see ``sampling.quotas``); None: every sample once, in order, with
            noise that is the same in every epoch (validation and generation).
        shards: directories that take turns, one an epoch; these streams come back after so many epochs.
        batch_groups: a number for each stream; only samples of streams with the same number share a batch.
        """
        self.streams, self.dictionary, self.noise = list(streams), dictionary, noise
        self.max_positions, self.seed, self.groups = max_positions, seed, list(groups)
        self.counts, self.shards, self.batch_groups = counts, shards, batch_groups
        self.noise_ids = NoiseIds(
            mask=dictionary.index(MASK), first_piece=dictionary.nspecial, end_piece=dictionary.num_pieces
        )
        self._frames = [
            [np.array([dictionary.bos(), dictionary.index(language_token(lang))]) for lang in langs]
            for langs in ((s.source_lang, s.target_lang) for s in self.streams)
        ]
        self._stream_sizes = np.concatenate([self._positions(stream) for stream in self.streams])
        self._stream_sources = np.concatenate([self._expected_sources(stream) for stream in self.streams])
        self.epoch = 0
        self.set_epoch(1)

    def _positions(self, stream: Stream) -> np.ndarray:
        """Positions of source (the most it can have after noise) and target, int32, shape (len(stream), 2)."""
        target = stream.target.sizes.astype(np.int64)
        source = stream.source.sizes.astype(np.int64) if stream.translation else self.noise.longest(target)
        return np.minimum(np.stack((source, target), axis=1) + FRAME, self.max_positions).astype(np.int32)

    def _expected_sources(self, stream: Stream) -> np.ndarray:
        """Positions of the source that are to be expected after the noise, int32, shape (len(stream),)."""
        sizes = stream.source.sizes
        left = sizes if stream.translation else np.rint(self.noise.expected(sizes.astype(np.int64)))
        return np.minimum(left + FRAME, self.max_positions).astype(np.int32)

    @property
    def can_reuse_epoch_itr_across_epochs(self) -> bool:
        """Other epochs have other samples, hence other batches, unless every sample comes once in order."""
        return self.counts is None

    def set_epoch(self, epoch: int) -> None:
        """Give the samples of ``epoch``, from 1."""
        if epoch == self.epoch:
            return
        first = self.epoch == 0
        self.epoch = epoch
        lengths = [len(stream) for stream in self.streams]
        if self.counts is not None:
            earlier = (epoch - 1) // self.shards
            self.stream_of, self.index_of = plan_epoch(lengths, self.counts, self.seed, epoch, earlier)
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

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One sample: ``source`` and ``target`` as 1-d LongTensors ``<s> <xx> w1 .. wn </s>``."""
        number, place = int(self.stream_of[index]), int(self.index_of[index])
        stream = self.streams[number]
        source, target = stream.body(place)
        if stream.pieces is not None:
            source = self._noised(stream.pieces, source, self._noise_generator(stream, place, index))
        source_frame, target_frame = self._frames[number]
        sample = {
            "id": index,
            "source": self._framed(source_frame, source),
            "target": self._framed(target_frame, target),
            "group": self.groups[number],
        }
        if self.counts is None and stream.translation:
            full = stream.target.full(place)
            if len(full) > len(target):
                sample["full_target"] = self._framed(target_frame, full)
        return sample

    def _noise_generator(self, stream: Stream, place: int, index: int) -> np.random.Generator:
        """Training: by seed, epoch and sample. Validation: by corpus and text, the same in every run and epoch."""
        if self.counts is not None:
            return generator(self.seed, Purpose.NOISE, self.epoch, index)
        return generator(Purpose.VALID_NOISE, zlib.crc32(stream.group.encode()), place)

    def _noised(self, pieces: PieceTable, text: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        return add_noise(
            text,
            pieces.word_starts(text),
            pieces.sentence_starts(text),
            self.noise,
            self.noise_ids,
            self.max_positions - FRAME,
            rng,
        )

    def _framed(self, frame: np.ndarray, text: np.ndarray) -> torch.Tensor:
        """``<s> <xx>`` text ``</s>`` as a LongTensor."""
        return torch.from_numpy(np.concatenate((frame, text, [self.dictionary.eos()])))

    def collater(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """A batch in the format that the criterion reads; {} for no samples (a dummy batch of fairseq's)."""
        if not samples:
            return {}
        target = [sample["target"] for sample in samples]
        # The language token is given, not predicted: the target has padding in its place.
        predicted = [_first_replaced(tokens[1:], self.dictionary.pad()) for tokens in target]
        batch: dict[str, Any] = {
            "id": torch.tensor([sample["id"] for sample in samples]),
            "nsentences": len(samples),
            "ntokens": sum(len(tokens) - 1 for tokens in predicted),
            "net_input": {
                "src_tokens": self._padded([sample["source"] for sample in samples]),
                "src_lengths": torch.tensor([len(sample["source"]) for sample in samples]),
                "prev_output_tokens": self._padded([tokens[:-1] for tokens in target]),
            },
            "target": self._padded(predicted),
            "tgt_lang_id": torch.stack([tokens[1] for tokens in target]),
            "group": torch.tensor([sample["group"] for sample in samples]),
        }
        batch["facts"] = BatchFacts.of(batch, self.dictionary.pad())
        if any("full_target" in sample for sample in samples):
            whole = [sample.get("full_target", sample["target"])[1:] for sample in samples]
            batch["full_target"] = self._padded([_first_replaced(t, self.dictionary.pad()) for t in whole])
        return batch

    def _padded(self, tokens: list[torch.Tensor]) -> torch.Tensor:
        """Right-padded, int64, shape (samples, longest)."""
        return torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True, padding_value=self.dictionary.pad())

    def num_tokens(self, index: int) -> int:
        """Positions of the longer side of one sample."""
        return int(self.sizes[index].max())

    def num_tokens_vec(self, indices: np.ndarray) -> np.ndarray:
        """:meth:`num_tokens` of many samples; int64, shape of ``indices``."""
        return self.sizes[indices].max(axis=1)

    def size(self, index: int) -> tuple[int, int]:
        """Positions of source and target of one sample."""
        return int(self.sizes[index, 0]), int(self.sizes[index, 1])

    def ordered_indices(self) -> np.ndarray:
        """Samples from short to long, those of one length in random order; batches are cut from this order.

        By target, in buckets of a few positions, and within a bucket by source, up in one and down in the next, so that
        a batch from two buckets has like sources, too: little padding on both sides.
        """
        if self.counts is None:
            order = np.arange(len(self))
        else:
            order = generator(self.seed, Purpose.BATCHES, self.epoch).permutation(len(self))
        bucket = self.sizes[order, 1] // _BUCKET
        return order[np.lexsort((self.expected_sources[order] * (1 - 2 * (bucket % 2)), bucket))]

    def padding(self, batches: Sequence[Sequence[int]]) -> tuple[float, float]:
        """The shares of source and target positions that are padding in ``batches``, sources as they are expected."""
        return padding_shares(np.stack((self.expected_sources, self.sizes[:, 1]), axis=1), batches)

    def filter_indices_by_size(self, indices: np.ndarray, max_sizes) -> tuple[np.ndarray, list[int]]:
        """As fairseq's, without a Python loop. The task sees to it that nothing is too long."""
        return data_utils.filter_paired_dataset_indices_by_size(self.sizes[:, 0], self.sizes[:, 1], indices, max_sizes)

    def batch_by_size(
        self, indices, max_tokens=None, max_sentences=None, required_batch_size_multiple=1
    ) -> list[np.ndarray]:
        """Cut ``indices`` into batches; every index is in one of them.

        fairseq leaves out the last samples if they are no multiple of ``required_batch_size_multiple``; here they
        are a batch of their own.
        """
        batches: list[np.ndarray] = []
        for part in self._batch_parts(np.asarray(indices)):
            found = super().batch_by_size(part, max_tokens, max_sentences, required_batch_size_multiple)
            left = part[sum(len(batch) for batch in found) :]
            batches += [*found, left] if len(left) else found
        return batches

    def _batch_parts(self, indices: np.ndarray) -> list[np.ndarray]:
        if self.batch_groups is None:
            return [indices] if len(indices) else []
        keys = np.asarray(self.batch_groups)[self.stream_of[indices]]
        return [indices[keys == key] for key in np.unique(keys)]


def _first_replaced(tokens: torch.Tensor, value: int) -> torch.Tensor:
    tokens = tokens.clone()
    tokens[0] = value
    return tokens
