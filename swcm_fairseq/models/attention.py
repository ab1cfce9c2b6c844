"""fairseq's multi-head attention, computed by ``torch.nn.functional.scaled_dot_product_attention``.

Parameter names, incremental state (``prev_key``, ``prev_value``, ``prev_key_padding_mask``) and beam reordering
are the parent's, so that fairseq's tools keep working.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from fairseq.modules import MultiheadAttention
from torch import Tensor

IncrementalState = dict[str, dict[str, Tensor | None]]


@dataclass(frozen=True)
class CausalMask:
    """No position sees a later one. Takes the place of fairseq's float mask of shape [T, T].

    Attributes:
        blocked: bool, [B, 1, T, T], True where a query must not see a key. None for a batch without padding on
            the left: there, causality alone keeps every real position from the padding behind it.
    """

    blocked: Tensor | None = None

    @classmethod
    def of(cls, tokens: Tensor, padding_idx: int) -> "CausalMask":
        """The mask of a batch: ``tokens`` [B, T] int64, padded with ``padding_idx`` on either side."""
        padding = tokens.eq(padding_idx)
        if not padding[:, :1].any():
            return cls()
        length = tokens.size(1)
        future = torch.ones(length, length, dtype=torch.bool, device=tokens.device).triu(1)
        itself = torch.eye(length, dtype=torch.bool, device=tokens.device)
        # Every query keeps itself, or a padding position would have nothing to attend to and turn into NaN.
        return cls((future | (padding[:, None, :] & ~itself))[:, None])


class Attention(MultiheadAttention):
    """Multi-head attention without a matrix of attention weights, unless they are asked for.

    Cross-attention keeps one row of keys and values per source sentence: all beams of a sentence are queries
    of the same row. :class:`~swcm_fairseq.models.decoder.Decoder` sets ``beam_size``.
    """

    def forward(
        self,
        query: Tensor,
        key: Tensor | None,
        value: Tensor | None,
        key_padding_mask: Tensor | None = None,
        incremental_state: IncrementalState | None = None,
        need_weights: bool = True,
        static_kv: bool = False,
        attn_mask: Tensor | CausalMask | None = None,
        before_softmax: bool = False,
        need_head_weights: bool = False,
    ) -> tuple[Tensor, Tensor | None]:
        """See fairseq's MultiheadAttention; ``query`` [T, B, C], ``key`` [S, B, C], ``key_padding_mask`` [B, S].

        Returns:
            The output [T, B, C], and the attention weights where they were asked for (None otherwise).
        """
        if need_weights or need_head_weights or before_softmax or isinstance(attn_mask, Tensor):
            return super().forward(
                query,
                key,
                value,
                key_padding_mask,
                incremental_state,
                need_weights,
                static_kv,
                attn_mask,
                before_softmax,
                need_head_weights,
            )
        q = self._split_heads(self.q_proj(query))
        k, v, padding = self._keys_and_values(key, key_padding_mask, incremental_state, static_kv, query.size(1))
        if isinstance(attn_mask, CausalMask):
            blocked = attn_mask.blocked
        else:
            blocked = None if padding is None else padding.bool()[:, None, None, :]
        causal = isinstance(attn_mask, CausalMask) and blocked is None
        return self.out_proj(self._attend(q, k, v, blocked, causal)), None

    def _attend(self, q: Tensor, k: Tensor, v: Tensor, blocked: Tensor | None, causal: bool) -> Tensor:
        """q [B, H, T, D], k and v [B', H, S, D] with B' = B or B / beams; returns [T, B, C]."""
        batch, heads, length, dim = q.size()
        rows = k.size(0)
        if rows != batch:  # B' x beams x H x T x D -> B' x H x (beams T) x D: beams are just more queries
            q = q.view(rows, -1, heads, length, dim).transpose(1, 2).reshape(rows, heads, -1, dim)
        x = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=None if blocked is None else ~blocked,
            dropout_p=self.dropout_module.p if self.training or self.dropout_module.apply_during_inference else 0.0,
            is_causal=causal,
        )
        if rows != batch:
            x = x.view(rows, heads, -1, length, dim).transpose(1, 2).reshape(batch, heads, length, dim)
        return x.permute(2, 0, 1, 3).reshape(length, batch, heads * dim)

    def _split_heads(self, x: Tensor) -> Tensor:
        """[T, B, C] -> [B, H, T, D]."""
        return x.view(x.size(0), x.size(1), self.num_heads, self.head_dim).permute(1, 2, 0, 3)

    def _keys_and_values(
        self,
        key: Tensor | None,
        key_padding_mask: Tensor | None,
        incremental_state: IncrementalState | None,
        static_kv: bool,
        batch: int,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Keys and values [B', H, S, D] and their padding mask [B', S]: computed, extended or taken from the state."""
        saved = {} if incremental_state is None else self._get_input_buffer(incremental_state)
        if static_kv and "prev_key" in saved:
            return saved["prev_key"], saved["prev_value"], saved["prev_key_padding_mask"]
        assert key is not None
        k = self._split_heads(self.k_proj(key))
        v = self._split_heads(self.v_proj(key))
        if incremental_state is None:
            return k, v, key_padding_mask
        if "prev_key" in saved:
            k = torch.cat([saved["prev_key"], k], dim=2)
            v = torch.cat([saved["prev_value"], v], dim=2)
        key_padding_mask = self._append_prev_key_padding_mask(
            key_padding_mask, saved.get("prev_key_padding_mask"), k.size(0), k.size(2), static_kv
        )
        saved.update(prev_key=k.contiguous(), prev_value=v.contiguous(), prev_key_padding_mask=key_padding_mask)
        self._set_input_buffer(incremental_state, saved)
        return k, v, key_padding_mask
