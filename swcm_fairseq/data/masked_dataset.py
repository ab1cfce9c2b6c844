"""Text from many corpora with masked tokens, for masked language modeling (Devlin et al. 2019)."""

from collections.abc import Sequence

import numpy as np
import torch

from swcm_fairseq.data.dictionary import MultilingualDictionary
from swcm_fairseq.data.mixed_dataset import Mix, MixedDataset
from swcm_fairseq.data.sample import Example, Sample
from swcm_fairseq.data.streams import Stream
from swcm_fairseq.data.vocabulary import MASK

KEPT, RANDOM = 0.1, 0.1  # shares of chosen tokens that are kept or become a random piece; the others become <mask>


def mask_tokens(
    text: np.ndarray, share: float, mask: int, pieces: range, pad: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Choose tokens to predict and hide them.

    Args:
        text: ids, int64, shape (n,), n at least 1.
        share: share of tokens to predict; their number is rounded up or down at random and is at least one.
        mask: id of ``<mask>``.
        pieces: ids from which random pieces are drawn.
        pad: value of the target at positions that are not predicted.
        rng: source of all randomness.

    Returns:
        source and target, int64, shapes (n,).
    """
    count = max(1, int(share * len(text) + rng.random()))
    chosen = rng.permutation(len(text))[:count]
    source, target = text.copy(), np.full_like(text, pad)
    target[chosen] = text[chosen]
    fate = rng.random(count)
    source[chosen[fate >= KEPT]] = mask
    replaced = chosen[fate >= 1 - RANDOM]
    source[replaced] = rng.integers(pieces.start, pieces.stop, len(replaced))
    return source, target


class MaskedDataset(MixedDataset):
    """Texts for a model that predicts single tokens: ``<s> w1 .. wn </s>``, without a language token.

    Which tokens are masked is a function of (seed, epoch, sample), like all other random choices.
    """

    def __init__(
        self,
        streams: Sequence[Stream],
        dictionary: MultilingualDictionary,
        mask_prob: float,
        max_positions: int,
        mix: Mix,
    ) -> None:
        """See :class:`MixedDataset`; ``mask_prob`` is the share of tokens to predict."""
        super().__init__(streams, dictionary, max_positions, mix)
        self.mask_prob = mask_prob
        self._mask, self._pieces = dictionary.index(MASK), range(dictionary.nspecial, dictionary.num_pieces)

    def __getitem__(self, index: int) -> Example:
        """One sample: ``source`` and ``target`` as 1-d LongTensors of the same length."""
        number, place = self.located(index)
        text, _ = self.streams[number].body(place)
        bos, pad, eos = self.dictionary.bos(), self.dictionary.pad(), self.dictionary.eos()
        source, target = mask_tokens(text, self.mask_prob, self._mask, self._pieces, pad, self.random(index))
        return {
            "id": index,
            "source": torch.from_numpy(np.concatenate(([bos], source, [eos]))),
            "target": torch.from_numpy(np.concatenate(([pad], target, [pad]))),
            "group": self.mix.groups[number],
        }

    def collater(self, samples: list[Example]) -> Sample:
        """A batch in the format of fairseq's criterion ``masked_lm``, with groups as ``lang``; {} for no samples."""
        if not samples:
            return {}
        source = [sample["source"] for sample in samples]
        return {
            "id": torch.tensor([sample["id"] for sample in samples]),
            "nsentences": len(samples),
            "ntokens": sum(map(len, source)),
            "net_input": {
                "src_tokens": self.padded(source),
                "src_lengths": torch.tensor(list(map(len, source))),
            },
            "target": self.padded([sample["target"] for sample in samples]),
            "lang": torch.tensor([sample["group"] for sample in samples]),
        }
