"""fairseq's multi-head attention, computed by ``torch.nn.functional.scaled_dot_product_attention``.

Parameter names, incremental state (``prev_key``, ``prev_value``, ``prev_key_padding_mask``) and beam reordering are
those of the parent class, so fairseq's tools keep working.
"""

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from fairseq.modules import MultiheadAttention
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from swcm_fairseq.int8 import Int8Linear

IncrementalState = dict[str, dict[str, Tensor | None]]

GROWTH = 32  # positions by which the self-attention buffer of keys and values grows
# The order in which SDPA kernels are tried without and with a mask; None keeps torch's order. To measure other orders,
# see benchmarks/attention_kernels.py.
KERNELS: dict[str, list[SDPBackend] | None] = {"unmasked": None, "masked": None}


@dataclass(frozen=True)
class CausalMask:
    """Hides later positions from each position. Replaces fairseq's float mask of shape [T, T].

    Attributes:
        blocked: bool, [B, 1, T, T], True where a query must not see a key. None if the batch has no padding on the
            left: causality then suffices to hide padding, because it comes after all real positions.
    """

    blocked: Tensor | None = None

    @classmethod
    def of(cls, tokens: Tensor, padding_idx: int, left_padded: bool | None = None) -> "CausalMask":
        """The mask for a batch.

        Args:
            tokens: int64 [B, T], padded on either side.
            padding_idx: the id of padding.
            left_padded: whether there is padding on the left; None checks, which waits for the GPU.
        """
        padding = tokens.eq(padding_idx)
        if not (padding[:, :1].any() if left_padded is None else left_padded):
            return cls()
        length = tokens.size(1)
        future = torch.ones(length, length, dtype=torch.bool, device=tokens.device).triu(1)
        itself = torch.eye(length, dtype=torch.bool, device=tokens.device)
        # Every query sees itself; otherwise, padding positions would have nothing to attend to and become NaN.
        return cls((future | (padding[:, None, :] & ~itself))[:, None])


class Attention(MultiheadAttention):
    """Multi-head attention that computes the matrix of attention weights only on request.

    Cross-attention keeps one row of keys and values per source sentence; all beams of a sentence are queries of the
    same row. :class:`~swcm_fairseq.models.decoder.Decoder` sets ``beam_size``.

    Queries, keys and values of the same input are computed by one matrix product; their parameters keep fairseq's
    names.

    Attributes:
        given_keys: precomputed keys and values [B, H, S, D] for cross-attention, see :meth:`project`.
    """

    given_keys: tuple[Tensor, Tensor] | None = None

    def __init__(self, *args: object, **kwargs: object):
        super().__init__(*args, **kwargs)
        # Number of joined projections -> layer; empty unless projections are rounded.
        self._rounded: dict[int, Int8Linear] = {}

    @property
    def projections(self) -> tuple[nn.Linear, nn.Linear, nn.Linear]:
        """The projections of queries, keys and values."""
        return self.q_proj, self.k_proj, self.v_proj

    def round_projections(self) -> None:
        """Switch to int8 products; the float32 parameters are kept for requests of attention weights."""
        used = [self.projections] if self.self_attention else [self.projections[:1], self.projections[1:]]
        self._rounded = {len(some): Int8Linear(*_joined(some)) for some in used}

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
            The output [T, B, C], and the attention weights, or None if they were not requested.
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
        padding = key_padding_mask
        if not self.self_attention:
            q = self.project(query, self.q_proj)[0]
            k, v, padding = self._keys_and_values(key, key_padding_mask, incremental_state, static_kv)
        elif incremental_state is None:
            q, k, v = self.project(query, *self.projections)
        else:
            q, k, v, padding = self._next_positions(query, incremental_state)
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
        if rows != batch:  # B' x beams x H x T x D -> B' x H x (beams T) x D: beams are simply more queries
            q = q.view(rows, -1, heads, length, dim).transpose(1, 2).reshape(rows, heads, -1, dim)
        order, dtype = KERNELS["unmasked" if blocked is None else "masked"], q.dtype
        if self.training or torch.is_grad_enabled():
            q, k, v = _kernel_precision(q), _kernel_precision(k), _kernel_precision(v)
        with nullcontext() if order is None else sdpa_kernel(order, set_priority=True):
            x = F.scaled_dot_product_attention(
                q,
                k,
                v,
                attn_mask=None if blocked is None else ~blocked,
                dropout_p=self.dropout_module.p if self.training or self.dropout_module.apply_during_inference else 0.0,
                is_causal=causal,
            ).to(dtype)
        if rows != batch:
            x = x.view(rows, heads, -1, length, dim).transpose(1, 2).reshape(batch, heads, length, dim)
        return x.permute(2, 0, 1, 3).reshape(length, batch, heads * dim)

    def _split_heads(self, x: Tensor) -> Tensor:
        """[T, B, C] -> [B, H, T, D]."""
        return x.view(x.size(0), x.size(1), self.num_heads, self.head_dim).permute(1, 2, 0, 3)

    def project(self, x: Tensor, *projections: nn.Linear) -> list[Tensor]:
        """Apply several projections to ``x`` [T, B, C] in one matrix product; returns [B, H, T, D] for each."""
        # Without contiguous memory, torch's kernel, and hence the rounding, depends on whether a gradient is needed.
        x = x.contiguous()
        rounded = self._rounded.get(len(projections))
        joined = F.linear(x, *_joined(projections)) if rounded is None else rounded(x)
        return [self._split_heads(part) for part in joined.split(self.embed_dim, dim=-1)]

    def _next_positions(
        self, x: Tensor, incremental_state: IncrementalState
    ) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """For a decoding step: queries of ``x`` [T, B, C], all keys and values so far, and a mask of unused positions.

        No padding mask is needed, because the search never chooses padding and finished rows do not matter. The
        weights of the three projections are joined in the first step of a batch.
        """
        saved = self._get_input_buffer(incremental_state)
        if self._rounded:
            joined = self._rounded[3](x)
        else:
            if "joined_weight" not in saved:
                saved["joined_weight"], saved["joined_bias"] = _joined(self.projections)
            joined = F.linear(x, saved["joined_weight"], saved["joined_bias"])
        # [T, B, 3 C] -> [B, 3, H, T, D]
        joined = joined.view(*x.shape[:2], 3, self.num_heads, self.head_dim).permute(1, 2, 3, 0, 4)
        if "position" in saved:
            return joined[:, 0], *_put(saved["buffer"], joined[:, 1:], saved["position"])
        k, v = _append(saved, joined[:, 1:])
        self._set_input_buffer(incremental_state, saved)
        return joined[:, 0], k, v, None

    def use_static_buffer(
        self, incremental_state: IncrementalState, position: Tensor, rows: int, positions: int
    ) -> None:
        """Switch to a buffer of fixed size for the keys and values of up to ``positions`` words.

        ``position``, int64 [1], always contains the position of the current word.
        """
        shape = rows, 2, self.num_heads, positions, self.head_dim
        # Unused positions get a weight of 0, but 0 times NaN is NaN, so the buffer must not be uninitialized.
        buffer = torch.zeros(shape, dtype=self.k_proj.weight.dtype, device=position.device)
        self._set_input_buffer(incremental_state, {"buffer": buffer, "position": position})

    def _keys_and_values(
        self,
        key: Tensor | None,
        key_padding_mask: Tensor | None,
        incremental_state: IncrementalState | None,
        static_kv: bool,
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Keys and values [B', H, S, D] and their padding mask [B', S], computed or taken from the state."""
        saved = {} if incremental_state is None else self._get_input_buffer(incremental_state)
        if static_kv and "prev_key" in saved:
            return saved["prev_key"], saved["prev_value"], saved["prev_key_padding_mask"]
        assert key is not None
        k, v = self.given_keys or self.project(key, self.k_proj, self.v_proj)
        if incremental_state is None:
            return k, v, key_padding_mask
        k, v = k.contiguous(), v.contiguous()
        saved.update(prev_key=k, prev_value=v, prev_key_padding_mask=key_padding_mask)
        self._set_input_buffer(incremental_state, saved)
        return k, v, key_padding_mask

    def cached_rows(self, incremental_state: IncrementalState) -> int:
        """The number of rows with keys and values in ``incremental_state``."""
        return self._get_input_buffer(incremental_state)["prev_key"].size(0)

    def reorder_incremental_state(
        self, incremental_state: IncrementalState, new_order: Tensor, shared: int = 0
    ) -> IncrementalState:
        """As in fairseq; ``new_order`` int64, [B]. Only the used positions of the self-attention buffer are copied.

        The first ``shared`` positions are the same in all beams of a sentence, so they are not copied.
        """
        saved = self._get_input_buffer(incremental_state)
        buffer = saved.get("buffer")
        if buffer is None:
            return super().reorder_incremental_state(incremental_state, new_order)
        length = saved["prev_key"].size(2)
        if len(new_order) == len(buffer) and 2 * shared >= length:  # copying twice, but less, and in place
            differing = buffer[:, :, :, shared:length]
            differing.copy_(differing.index_select(0, new_order))
            return incremental_state
        moved = buffer.new_empty(len(new_order), *buffer.shape[1:])
        torch.index_select(buffer[:, :, :, :length], 0, new_order, out=moved[:, :, :, :length])
        _use_buffer(saved, moved, length)
        return incremental_state


def _kernel_precision(x: Tensor) -> Tensor:
    """``x``, in float32 on a CPU, where torch's backward pass is several times slower in half precision."""
    return x.float() if x.device.type == "cpu" and x.dtype in (torch.bfloat16, torch.float16) else x


def _joined(projections: Sequence[nn.Linear]) -> tuple[Tensor, Tensor]:
    """The weights [n C, C] and biases [n C] of n projections, concatenated."""
    if len(projections) == 1:
        return projections[0].weight, projections[0].bias
    return torch.cat([each.weight for each in projections]), torch.cat([each.bias for each in projections])


def _append(saved: dict[str, Tensor], both: Tensor) -> tuple[Tensor, Tensor]:
    """Append the keys and values ``both`` [B, 2, H, T, D]; returns the keys and values of all positions so far.

    They are views of ``saved["buffer"]``, [B, 2, H, capacity, D], so each step writes only its own position.
    """
    batch, _, heads, length, dim = both.size()
    buffer = saved.get("buffer", both.new_empty(batch, 2, heads, 0, dim))
    start = saved["prev_key"].size(2) if "prev_key" in saved else 0
    if start + length > buffer.size(3):
        buffer = torch.cat([buffer, both.new_empty(batch, 2, heads, length + GROWTH, dim)], dim=3)
    buffer[:, :, :, start : start + length] = both
    _use_buffer(saved, buffer, start + length)
    return saved["prev_key"], saved["prev_value"]


def _put(buffer: Tensor, both: Tensor, position: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Write ``both`` [B, 2, H, 1, D] at ``position``, int64 [1], of the static ``buffer`` [B, 2, H, L, D].

    Returns:
        Keys and values [B, H, L, D], and the mask of unused positions, bool [1, L].
    """
    buffer.index_copy_(3, position, both)
    unused = torch.arange(buffer.size(3), device=buffer.device) > position
    return buffer[:, 0], buffer[:, 1], unused[None]


def _use_buffer(saved: dict[str, Tensor], buffer: Tensor, length: int) -> None:
    """Store ``buffer`` in the state, with ``length`` positions in use."""
    saved["buffer"] = buffer
    saved["prev_key"], saved["prev_value"] = buffer[:, 0, :, :length], buffer[:, 1, :, :length]
