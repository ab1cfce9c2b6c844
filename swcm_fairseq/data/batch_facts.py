"""What training needs to know of a batch's numbers before they are on a GPU, where looking at them means waiting."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class BatchFacts:
    """Found out on the CPU when a batch is made; fairseq moves a batch's tensors to the GPU and leaves this here.

    Attributes:
        ids: of the samples.
        counted: int64 [N], ascending, flat places in ``target`` [B, T] where the loss counts.
        words: int64 [N], the target's words there.
        replaceable: bool [B, T], see :func:`replaceable_positions`.
        target_langs: the language tokens of the targets, each once; [] where the batch does not name them.
        source_padded: whether sources have padding.
        left_padded: whether the decoder's input has padding on the left.
    """

    ids: list[int]
    counted: np.ndarray
    words: np.ndarray
    replaceable: np.ndarray
    target_langs: list[int]
    source_padded: bool
    left_padded: bool

    @classmethod
    def of(cls, batch: dict[str, Any], padding_idx: int) -> "BatchFacts":
        """The facts of a batch as the criterion reads it; ``batch["tgt_lang_id"]`` may be missing."""
        tokens, target = batch["net_input"]["prev_output_tokens"].cpu(), batch["target"].cpu()
        counted = np.flatnonzero(target.numpy() != padding_idx)
        langs = batch["tgt_lang_id"].cpu().numpy() if "tgt_lang_id" in batch else np.zeros(0, dtype=np.int64)
        return cls(
            ids=batch["id"].tolist(),
            counted=counted,
            words=target.numpy().reshape(-1)[counted],
            replaceable=replaceable_positions(tokens, target, padding_idx).numpy(),
            target_langs=[int(lang) for lang in np.unique(langs)],
            source_padded=bool(batch["net_input"]["src_tokens"].eq(padding_idx).any()),
            left_padded=bool(tokens[:, 0].eq(padding_idx).any()),
        )


def replaceable_positions(prev_output_tokens: Tensor, target: Tensor, padding_idx: int) -> Tensor:
    """Where a target-side input is a word that was predicted: bool [B, T], of two int64 [B, T].

    The input at t is the target's word at t - 1. For ``<s>`` that word is missing, for the language token it is
    padding; the last word, ``</s>``, is predicted but stands in no input, so padding must be looked at as well.
    """
    replaceable = prev_output_tokens.ne(padding_idx)
    replaceable[:, 0] = False
    replaceable[:, 1:] &= target[:, :-1].ne(padding_idx)
    return replaceable


def on_device(array: np.ndarray, device: torch.device) -> Tensor:
    """``array`` as a tensor on ``device``; a GPU is not waited for."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
