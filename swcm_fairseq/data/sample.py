"""The keys of a batch, and facts about its contents that are computed on the CPU, where reading them is free."""

from dataclasses import dataclass
from typing import NotRequired, TypedDict

import numpy as np
import torch
from torch import Tensor


class Example(TypedDict):
    """One text or pair, as returned by the ``__getitem__`` of a dataset.

    Attributes:
        id: index in the epoch.
        source, target: ids, int64, 1-d.
        group: number of the corpus (or language) in the batch.
        full_target: the target before truncation; missing if it was not truncated.
    """

    id: int
    source: Tensor
    target: Tensor
    group: int
    full_target: NotRequired[Tensor]


class NetInput(TypedDict):
    """The keyword arguments of the model's ``forward``.

    Attributes:
        src_tokens: int64 [B, S], right-padded.
        src_lengths: int64 [B].
        prev_output_tokens: int64 [B, T], right-padded; missing for encoders.
    """

    src_tokens: Tensor
    src_lengths: Tensor
    prev_output_tokens: NotRequired[Tensor]


class Sample(TypedDict, total=False):
    """A batch, which fairseq calls a sample. Except in fairseq's empty dummy batch, the first five keys are set.

    Attributes:
        id: int64 [B], indices in the epoch.
        nsentences: B.
        ntokens: number of target tokens in the loss (for masked language modeling, of source tokens).
        net_input: see :class:`NetInput`.
        target: int64 [B, T]; padding at positions that are not predicted.
        tgt_lang_id: int64 [B], the language token of each target.
        group: int64 [B], index into the task's ``group_names``.
        lang: int64 [B], index into the task's languages (encoders and classification).
        full_target: int64 [B, T'], targets before truncation; missing if none was truncated.
        start_indices: first position to score of each target; set for fairseq's SequenceScorer.
        facts: see :class:`BatchFacts`.
    """

    id: Tensor
    nsentences: int
    ntokens: int
    net_input: NetInput
    target: Tensor
    tgt_lang_id: Tensor
    group: Tensor
    lang: Tensor
    full_target: Tensor
    start_indices: list[int]
    facts: "BatchFacts"


@dataclass(frozen=True)
class BatchFacts:
    """Facts computed when a batch is collated. They stay on the CPU when fairseq moves the batch's tensors to the GPU.

    Attributes:
        ids: indices of the samples.
        counted: int64 [N], ascending: flat positions in ``target`` [B, T] that are in the loss.
        words: int64 [N], the target tokens at these positions.
        replaceable: bool [B, T], see :func:`replaceable_positions`.
        target_langs: the distinct language tokens of the targets; [] if the batch has no ``tgt_lang_id``.
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
    def of(cls, batch: Sample, padding_idx: int) -> "BatchFacts":
        """Compute the facts of a batch with a decoder input; ``batch["tgt_lang_id"]`` may be missing."""
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
    """Where the decoder input is a predicted word: bool [B, T], from two int64 [B, T].

    The input at t is the target token at t - 1. ``<s>`` has no such token, and for the language token it is padding.
    The last token, ``</s>``, is predicted but never an input, so padding in the input must also be excluded.
    """
    replaceable = prev_output_tokens.ne(padding_idx)
    replaceable[:, 0] = False
    replaceable[:, 1:] &= target[:, :-1].ne(padding_idx)
    return replaceable


def on_device(array: np.ndarray, device: torch.device) -> Tensor:
    """``array`` as a tensor on ``device``, copied without waiting for the GPU."""
    tensor = torch.from_numpy(array)
    return tensor.pin_memory().to(device, non_blocking=True) if device.type == "cuda" else tensor.to(device)
