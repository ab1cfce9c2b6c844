"""The encoder: fairseq's, which reproduces XLM-R, RoBERTa and BERT exactly when it is configured as here."""

import torch
from fairseq.data import Dictionary
from fairseq.models.transformer import TransformerConfig, TransformerEncoderBase
from fairseq.modules.checkpoint_activations import checkpoint_wrapper
from torch import Tensor, nn

from swcm_fairseq.models.freezing import FreezableEmbeddings
from swcm_fairseq.models.layers import EncoderLayer
from swcm_fairseq.models.norms import DEFAULT_EPS, EpsilonInState

EncoderOut = dict[str, list]


class Encoder(EpsilonInState, FreezableEmbeddings, TransformerEncoderBase):
    """Post-norm transformer encoder with learned positions and a layer norm after the embeddings."""

    embed_tokens: nn.Embedding
    embed_positions: nn.Embedding
    layers: nn.ModuleList

    def __init__(self, cfg: TransformerConfig, dictionary: Dictionary, embed_tokens: nn.Embedding):
        super().__init__(cfg, dictionary, embed_tokens)
        self.set_layer_norm_eps(DEFAULT_EPS)
        self.make_embeddings_freezable()

    def build_encoder_layer(self, cfg: TransformerConfig) -> nn.Module:
        """Called by the parent's constructor."""
        layer = EncoderLayer(cfg)
        if cfg.checkpoint_activations:
            return checkpoint_wrapper(layer, offload_to_cpu=cfg.offload_activations)
        return layer

    def reorder_encoder_out(self, encoder_out: EncoderOut, new_order: Tensor) -> EncoderOut:
        """Reorder with one row per sentence, however many beams are asked for; ``beams`` says how many there are.

        The generator first repeats every sentence once per beam, then reorders beams within their sentence and drops
        sentences that are finished. Only dropping changes what is kept here, so no step copies the encoder's output.

        Args:
            encoder_out: rows are sentences, R of them.
            new_order: int64, [R' x beams], rows of a batch in which every sentence stands ``beams`` times in a row.
        """
        sentences, beams = encoder_out["encoder_out"][0].size(1), encoder_out.get("beams", [1])[0]
        beams *= max(1, new_order.numel() // (sentences * beams))
        kept = new_order[::beams] // encoder_out.get("beams", [1])[0]
        if not torch.equal(kept, torch.arange(sentences, device=kept.device)):
            encoder_out = super().reorder_encoder_out(encoder_out, kept)
        return {**encoder_out, "beams": [beams]}
