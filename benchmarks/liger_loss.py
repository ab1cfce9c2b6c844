"""Hugging Face's model with Liger's fused loss (liger_kernel, MIT license) at the chunk size that is fastest here.

Like our criterion, Liger multiplies the features by the output matrix for one chunk of rows at a time. For 19,200 rows
of 768 features and 135,364 words, its default chunk has 128 rows; ``chunk_mem_const`` allows multiples of that.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import contestants as models
import measure
import torch
from torch import Tensor, nn

BUDGETS = (1, 4, 16, 64)  # values of chunk_mem_const

FusedLoss = Callable[..., Any]  # liger_kernel.transformers.functional.liger_fused_linear_cross_entropy


class FeaturesOnly(nn.Module):
    """A replacement for a language model head that keeps its matrix as ``decoder`` but returns the features."""

    def __init__(self, head: nn.Module):
        super().__init__()
        self.decoder = head.decoder

    def forward(self, features: Tensor) -> Tensor:
        """Return the ``features`` [B, T, C] unchanged."""
        return features


class LigerLoss:
    """A criterion like fairseq's, which selects the chunk size in its first call.

    Attributes:
        budget: the fastest of :data:`BUDGETS`; None before the first call.
    """

    def __init__(self, fused: FusedLoss):
        self._fused = fused
        self.budget: int | None = None

    def __call__(self, model: Any, sample: dict[str, Any]) -> tuple[Tensor, int, dict[str, Any]]:
        """The loss summed over words, the number of words, and the logging output."""
        features = model(**models.huggingface_inputs(sample)).logits.flatten(0, 1)
        weight, target = model.decoder.lm_head.decoder.weight, sample["target"].flatten()
        if self.budget is None:
            self.budget = self._fastest(features, weight, target)
        loss = self._loss(features, weight, target, self.budget)
        return loss, sample["ntokens"], {"loss": loss.detach(), "budget": self.budget}

    def _loss(self, features: Tensor, weight: Tensor, target: Tensor, budget: int) -> Tensor:
        return self._fused(
            features,
            weight,
            target,
            ignore_index=models.PAD,
            reduction="sum",
            accum_dtype=torch.float32,
            chunk_mem_const=budget,
        )

    def _fastest(self, *tensors: Tensor) -> int:
        """The budget with the fastest forward and backward pass; this search does not count toward peak memory."""
        features, weight, target = (each.detach() for each in tensors)
        device = features.device.type

        def step(budget: int) -> None:
            with torch.enable_grad():
                leaves = features.requires_grad_(), weight.requires_grad_()
                torch.autograd.grad(self._loss(*leaves, target, budget), leaves)

        times = {}
        for budget in BUDGETS:
            step(budget)  # the first call compiles
            if device == "cuda":
                torch.cuda.synchronize()
            times[budget] = measure.seconds(partial(step, budget), device)
        if device == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        return min(times, key=times.__getitem__)
