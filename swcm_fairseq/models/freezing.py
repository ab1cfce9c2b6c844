"""Freeze encoder and embeddings for the first updates (the two stages of SixT, Chen et al. 2021).

Frozen parameters keep ``requires_grad``, because fairseq's optimizer registers only parameters that require a gradient
when it is built. Instead, no gradient reaches them, and the optimizer skips parameters without one.
"""

import torch
from torch import Tensor, nn


class FreezableEmbeddings(nn.Module):
    """An encoder or decoder whose embeddings (tokens, positions, layer norm) can be detached from the gradient."""

    layernorm_embedding: nn.LayerNorm
    embeddings_frozen = False

    def make_embeddings_freezable(self) -> None:
        """Called once, after construction. The hook suffices, because all embeddings pass through this layer norm."""
        self.layernorm_embedding.register_forward_hook(self._cut)

    def _cut(self, module: nn.Module, inputs: object, output: Tensor) -> Tensor:
        if not self.embeddings_frozen:
            return output
        # Reentrant activation checkpointing does not train layers whose input requires no gradient.
        return output.detach().requires_grad_(torch.is_grad_enabled())
