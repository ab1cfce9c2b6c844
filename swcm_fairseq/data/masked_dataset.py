"""Text of many corpora with masked tokens, for masked language modelling (Devlin et al. 2019)."""

from typing import Any

import numpy as np
import torch

from swcm_fairseq.data.multilingual_dataset import MultilingualDataset

KEPT, RANDOM = 0.1, 0.1  # of the masked tokens: left as they are, replaced by another piece; the others become <mask>


def mask_tokens(
    text: np.ndarray, share: float, mask: int, pieces: range, pad: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Choose tokens to predict and hide them.

    Args:
        text: ids, int64, shape (n,), at least one.
        share: of the tokens to predict; rounded up or down at random, at least one.
        mask: id of ``<mask>``.
        pieces: ids that a random piece is drawn from.
        pad: stands in the target where nothing is predicted.
        rng: what is chosen depends on it alone.

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


class MaskedDataset(MultilingualDataset):
    """The texts that a :class:`MultilingualDataset` would denoise, for a model that predicts single tokens.

    Order, batches and what is masked are functions of (seed, epoch) alone, as there. A text is ``<s> w1 .. wn </s>``,
    without a language token: encoders have none.
    """

    def __init__(self, *args, mask_prob: float, **kwargs):
        """As :class:`MultilingualDataset`; ``mask_prob`` is the share of the tokens to predict."""
        super().__init__(*args, **kwargs)
        self.mask_prob = mask_prob

    def __getitem__(self, index: int) -> dict[str, Any]:
        """One sample: ``source`` and ``target`` as 1-d LongTensors of the same length."""
        number, place = int(self.stream_of[index]), int(self.index_of[index])
        stream, ids = self.streams[number], self.noise_ids
        text, _ = stream.body(place)
        rng, pad = self._noise_generator(stream, place, index), self.dictionary.pad()
        source, target = mask_tokens(text, self.mask_prob, ids.mask, range(ids.first_piece, ids.end_piece), pad, rng)
        bos, eos = self.dictionary.bos(), self.dictionary.eos()
        return {
            "id": index,
            "lang": self.groups[number],
            "source": torch.from_numpy(np.concatenate(([bos], source, [eos]))),
            "target": torch.from_numpy(np.concatenate(([pad], target, [pad]))),
        }

    def collater(self, samples: list[dict[str, Any]]) -> dict[str, Any]:
        """A batch as fairseq's criterion ``masked_lm`` reads it; {} for no samples."""
        if not samples:
            return {}
        source = [sample["source"] for sample in samples]
        return {
            "id": torch.tensor([sample["id"] for sample in samples]),
            "nsentences": len(samples),
            "ntokens": sum(map(len, source)),
            "net_input": {
                "src_tokens": self._padded(source),
                "src_lengths": torch.tensor(list(map(len, source))),
            },
            "target": self._padded([sample["target"] for sample in samples]),
            "lang": torch.tensor([sample["lang"] for sample in samples]),
        }
