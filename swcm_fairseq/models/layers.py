"""The three kinds of layers: encoder layer, normal decoder layer and inherited decoder layer."""

from fairseq.models.transformer import TransformerConfig
from fairseq.modules import LayerNorm
from fairseq.modules.checkpoint_activations import checkpoint_wrapper
from fairseq.modules.transformer_layer import TransformerDecoderLayerBase, TransformerEncoderLayerBase
from torch import Tensor, nn

from swcm_fairseq.compilation import compile_layer
from swcm_fairseq.models.attention import Attention, CausalMask, IncrementalState


def prepared(layer: nn.Module, cfg: TransformerConfig, compiled: bool) -> nn.Module:
    """Compile ``layer`` if ``compiled``, and wrap it if its activations are recomputed in the backward pass."""
    if compiled:
        compile_layer(layer, cfg.checkpoint_activations)
    if cfg.checkpoint_activations:
        return checkpoint_wrapper(layer, offload_to_cpu=cfg.offload_activations)
    return layer


class EncoderLayer(TransformerEncoderLayerBase):
    """fairseq's encoder layer with :class:`Attention`."""

    def build_self_attention(self, embed_dim: int, cfg: TransformerConfig) -> Attention:
        """Called by the parent's constructor."""
        heads = cfg.encoder.attention_heads
        return Attention(embed_dim, heads, dropout=cfg.attention_dropout, self_attention=True)


class NormalDecoderLayer(TransformerDecoderLayerBase):
    """fairseq's decoder layer with :class:`Attention`: self-attention -> cross-attention -> FFN."""

    def __init__(self, cfg: TransformerConfig):
        super().__init__(cfg)
        self.need_attn = False  # the decoder requests attention weights from one layer

    def build_self_attention(self, embed_dim: int, cfg: TransformerConfig, **kwargs: object) -> Attention:
        """Called by the parent's constructor."""
        heads = cfg.decoder.attention_heads
        return Attention(embed_dim, heads, dropout=cfg.attention_dropout, self_attention=True)

    def build_encoder_attention(self, embed_dim: int, cfg: TransformerConfig) -> Attention:
        """Called by the parent's constructor."""
        heads = cfg.decoder.attention_heads
        return Attention(embed_dim, heads, dropout=cfg.attention_dropout, encoder_decoder_attention=True)

    def make_generation_fast_(self, **kwargs: object) -> None:
        """Does nothing: the constructor has already set ``need_attn``."""


class InheritedDecoderLayer(NormalDecoderLayer):
    """Self-attention -> FFN1 -> cross-attention -> FFN2 (the paper's CustomDecoderLayer, section 3.1.2).

    As in the encoder layer that the weights come from, each block has a residual connection followed by a layer norm
    (post-norm). FFN1 consists of ``fc1``, ``fc2`` and ``ffn1_layer_norm``; FFN2 of ``fc3``, ``fc4`` and
    ``final_layer_norm``.
    """

    def __init__(self, cfg: TransformerConfig):
        super().__init__(cfg)
        self.ffn1_layer_norm = LayerNorm(self.embed_dim)
        self.fc3 = nn.Linear(self.embed_dim, cfg.decoder.ffn_embed_dim)
        self.fc4 = nn.Linear(cfg.decoder.ffn_embed_dim, self.embed_dim)

    def forward(
        self,
        x: Tensor,
        encoder_out: Tensor | None = None,
        encoder_padding_mask: Tensor | None = None,
        incremental_state: IncrementalState | None = None,
        *,
        self_attn_mask: CausalMask | None = None,
        self_attn_padding_mask: Tensor | None = None,
        need_attn: bool = False,
        need_head_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None, None]:
        """Apply the layer.

        Args:
            x: [T, B, C].
            encoder_out: [S, B, C]; None skips cross-attention.
            encoder_padding_mask: bool, [B, S], True at padding.
            incremental_state: fairseq's cache for incremental decoding.
            self_attn_mask: the causal mask; None in incremental decoding.
            self_attn_padding_mask: bool, [B, T], True at padding.
            need_attn: whether to return the cross-attention weights, averaged over heads.
            need_head_weights: whether to return the cross-attention weights of every head.

        Returns:
            The output [T, B, C], the attention weights or None, and None (fairseq's slot for ONNX state).
        """
        attended, _ = self.self_attn(
            x,
            x,
            x,
            key_padding_mask=self_attn_padding_mask,
            incremental_state=incremental_state,
            need_weights=False,
            attn_mask=self_attn_mask,
        )
        x = self._add_and_norm(x, attended, self.self_attn_layer_norm)
        x = self._add_and_norm(x, self._feed_forward(x, self.fc1, self.fc2), self.ffn1_layer_norm)
        weights = None
        if encoder_out is not None:
            attended, weights = self.encoder_attn(
                x,
                encoder_out,
                encoder_out,
                key_padding_mask=encoder_padding_mask,
                incremental_state=incremental_state,
                static_kv=True,
                need_weights=need_attn,
                need_head_weights=need_head_weights,
            )
            x = self._add_and_norm(x, attended, self.encoder_attn_layer_norm)
        x = self._add_and_norm(x, self._feed_forward(x, self.fc3, self.fc4), self.final_layer_norm)
        return x, weights, None

    def _feed_forward(self, x: Tensor, inner: nn.Linear, outer: nn.Linear) -> Tensor:
        return outer(self.activation_dropout_module(self.activation_fn(inner(x))))

    def _add_and_norm(self, residual: Tensor, x: Tensor, norm: nn.LayerNorm) -> Tensor:
        return norm(residual + self.dropout_module(x))
