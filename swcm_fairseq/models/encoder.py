"""The encoder: fairseq's, which reproduces XLM-R, RoBERTa and BERT exactly in the configuration used here."""

import torch
from fairseq.data import Dictionary
from fairseq.models.transformer import TransformerConfig, TransformerEncoderBase
from torch import Tensor, nn

from swcm_fairseq.models.freezing import FreezableEmbeddings
from swcm_fairseq.models.layers import EncoderLayer, prepared
from swcm_fairseq.models.norms import DEFAULT_EPS, EpsilonInState

EncoderOut = dict[str, list]


class Encoder(EpsilonInState, FreezableEmbeddings, TransformerEncoderBase):
    """Post-norm transformer encoder with learned positions and a layer norm after the embeddings."""

    embed_tokens: nn.Embedding
    embed_positions: nn.Embedding
    layers: nn.ModuleList
    padding_idx: int

    def __init__(
        self, cfg: TransformerConfig, dictionary: Dictionary, embed_tokens: nn.Embedding, compiled: bool = False
    ):
        self._compiled = compiled
        super().__init__(cfg, dictionary, embed_tokens)
        self.set_layer_norm_eps(DEFAULT_EPS)
        self.make_embeddings_freezable()

    def build_encoder_layer(self, cfg: TransformerConfig) -> nn.Module:
        """Called by the parent's constructor."""
        return prepared(EncoderLayer(cfg), cfg, self._compiled)

    def forward(
        self,
        src_tokens: Tensor,
        src_lengths: Tensor | None = None,
        return_all_hiddens: bool = False,
        token_embeddings: Tensor | None = None,
        padded: bool | None = None,
    ) -> EncoderOut:
        """Encode ``src_tokens`` int64 [B, S]; the arguments and the result are those of fairseq's encoder.

        fairseq's loop asks the GPU before each layer whether there is padding. Here, this is known or checked once.
        Without padding, neither the encoder nor cross-attention gets a mask, so the fastest kernels can be used.

        Args:
            src_tokens: [B, S].
            src_lengths: lengths of the sources; not used.
            return_all_hiddens: whether to keep the hidden states of all layers.
            token_embeddings: [B, S, C], used instead of the embeddings of ``src_tokens``.
            padded: whether ``src_tokens`` contains padding; None checks, which waits for the GPU.
        """
        padding = src_tokens.eq(self.padding_idx)
        mask = padding if (bool(padding.any()) if padded is None else padded) else None
        x, embedding = self.forward_embedding(src_tokens, token_embeddings)  # type: ignore[operator]
        if mask is not None:
            x = x.masked_fill(mask.unsqueeze(-1), 0.0)
        states = [x := x.transpose(0, 1)]  # [S, B, C]
        for layer in self.layers:
            states.append(x := layer(x, encoder_padding_mask=mask))
        return {
            "encoder_out": [x],
            "encoder_padding_mask": [] if mask is None else [mask],
            "encoder_embedding": [embedding],
            "encoder_states": states if return_all_hiddens else [],
            "fc_results": [None] * (len(states) - 1) if return_all_hiddens else [],
            "src_tokens": [],
            "src_lengths": [(~padding).sum(dim=1, dtype=torch.int32).reshape(-1, 1)],
        }

    def reorder_encoder_out(self, encoder_out: EncoderOut, new_order: Tensor) -> EncoderOut:
        """Reorder with one row per sentence, regardless of the number of beams, which is stored as ``beams``.

        The generator first repeats every sentence once per beam, then reorders beams within their sentence and drops
        finished sentences. Only dropping changes the rows here, so the other steps do not copy the encoder output.

        Args:
            encoder_out: the encoder's output, with R rows, one per sentence.
            new_order: int64, [R' x beams], row numbers in a batch that repeats every sentence ``beams`` times.
        """
        sentences, beams = encoder_out["encoder_out"][0].size(1), encoder_out.get("beams", [1])[0]
        beams *= max(1, new_order.numel() // (sentences * beams))
        kept = new_order[::beams] // encoder_out.get("beams", [1])[0]
        if len(kept) != sentences:  # the row numbers are not checked, because that would wait for the GPU
            encoder_out = super().reorder_encoder_out(encoder_out, kept)
        return {**encoder_out, "beams": [beams]}
