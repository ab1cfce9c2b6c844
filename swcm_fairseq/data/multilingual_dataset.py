"""Denoising and translation samples from many corpora as one fairseq dataset."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from swcm_fairseq.data.dictionary import MultilingualDictionary
from swcm_fairseq.data.languages import language_token
from swcm_fairseq.data.mixed_dataset import Mix, MixedDataset
from swcm_fairseq.data.noise import Noise, NoiseIds, add_noise
from swcm_fairseq.data.sample import BatchFacts, Example, Sample
from swcm_fairseq.data.streams import FRAME, Stream
from swcm_fairseq.data.vocabulary import MASK


class MultilingualDataset(MixedDataset):
    """Texts with noise on the source side, and pairs. Both sides have the form ``<s> <xx> w1 .. wn </s>``."""

    def __init__(
        self,
        streams: Sequence[Stream],
        dictionary: MultilingualDictionary,
        noise: Noise,
        max_positions: int,
        mix: Mix,
    ) -> None:
        """See :class:`MixedDataset`; the dictionary must have language tokens, and ``noise`` applies to denoising."""
        self.noise = noise
        self.noise_ids = NoiseIds(
            mask=dictionary.index(MASK), first_piece=dictionary.nspecial, end_piece=dictionary.num_pieces
        )
        self._frames = [
            [np.array([dictionary.bos(), dictionary.index(language_token(lang))]) for lang in langs]
            for langs in ((stream.source_lang, stream.target_lang) for stream in streams)
        ]
        super().__init__(streams, dictionary, max_positions, mix)

    def most_source_tokens(self, stream: Stream) -> np.ndarray:
        """The actual sizes for pairs; the maximum after noise for denoising."""
        most = super().most_source_tokens(stream)
        return most if stream.translation else self.noise.longest(most)

    def expected_source_tokens(self, stream: Stream) -> np.ndarray:
        """The actual sizes for pairs; the expected size after noise for denoising."""
        sizes = stream.source.sizes
        return sizes if stream.translation else np.rint(self.noise.expected(sizes.astype(np.int64)))

    def __getitem__(self, index: int) -> Example:
        """One sample: ``source`` and ``target`` as 1-d LongTensors ``<s> <xx> w1 .. wn </s>``."""
        number, place = self.located(index)
        stream = self.streams[number]
        source, target = stream.body(place)
        if stream.pieces is not None:
            starts = stream.pieces.word_starts(source), stream.pieces.sentence_starts(source)
            longest = self.max_positions - FRAME
            source = add_noise(source, *starts, self.noise, self.noise_ids, longest, self.random(index))
        source_frame, target_frame = self._frames[number]
        sample: Example = {
            "id": index,
            "source": self._framed(source_frame, source),
            "target": self._framed(target_frame, target),
            "group": self.mix.groups[number],
        }
        if self.mix.counts is None and stream.translation:
            full = stream.target.full(place)
            if len(full) > len(target):
                sample["full_target"] = self._framed(target_frame, full)
        return sample

    def _framed(self, frame: np.ndarray, text: np.ndarray) -> Tensor:
        """``<s> <xx>`` text ``</s>`` as a LongTensor."""
        return torch.from_numpy(np.concatenate((frame, text, [self.dictionary.eos()])))

    def collater(self, samples: list[Example]) -> Sample:
        """A batch in the format that the criterion reads; {} for no samples (fairseq's dummy batch)."""
        if not samples:
            return {}
        target = [sample["target"] for sample in samples]
        # The language token is given, not predicted, so the target has padding in its place.
        predicted = [_first_replaced(tokens[1:], self.dictionary.pad()) for tokens in target]
        batch: Sample = {
            "id": torch.tensor([sample["id"] for sample in samples]),
            "nsentences": len(samples),
            "ntokens": sum(len(tokens) - 1 for tokens in predicted),
            "net_input": {
                "src_tokens": self.padded([sample["source"] for sample in samples]),
                "src_lengths": torch.tensor([len(sample["source"]) for sample in samples]),
                "prev_output_tokens": self.padded([tokens[:-1] for tokens in target]),
            },
            "target": self.padded(predicted),
            "tgt_lang_id": torch.stack([tokens[1] for tokens in target]),
            "group": torch.tensor([sample["group"] for sample in samples]),
        }
        batch["facts"] = BatchFacts.of(batch, self.dictionary.pad())
        if any("full_target" in sample for sample in samples):
            whole = [sample.get("full_target", sample["target"])[1:] for sample in samples]
            batch["full_target"] = self.padded([_first_replaced(t, self.dictionary.pad()) for t in whole])
        return batch


def _first_replaced(tokens: Tensor, value: int) -> Tensor:
    """A copy of ``tokens`` [T] with ``value`` as its first element."""
    tokens = tokens.clone()
    tokens[0] = value
    return tokens
