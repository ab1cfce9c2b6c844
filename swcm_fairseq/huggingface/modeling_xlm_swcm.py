"""XLM-SWCM (Su et al. 2025, arXiv 2502.10852) for transformers: an encoder-decoder whose decoder inherits the encoder.

The decoder's layers follow ``config.decoder_plan``. An inherited layer consists of self-attention, FFN1,
cross-attention and FFN2; a normal layer consists of self-attention, cross-attention and FFN. Each block is followed by
its residual connection and a layer norm (post-norm). Shapes: B sentences, S source and T target positions, C hidden
size, V symbols.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GenerationMixin, LogitsProcessor, LogitsProcessorList, PreTrainedModel
from transformers.activations import ACT2FN
from transformers.cache_utils import DynamicCache, EncoderDecoderCache
from transformers.modeling_outputs import (
    BaseModelOutput,
    Seq2SeqLMOutput,
    Seq2SeqModelOutput,
)
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from .configuration_xlm_swcm import XLMSWCMConfig

IGNORED = -100  # label of positions that are not predicted
# Name of the cache among arguments and outputs, which differs between releases of transformers.
CACHE = "cache" if "cache" in {field.name for field in dataclasses.fields(Seq2SeqLMOutput)} else "past_key_values"


def eager_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float = 1.0,
    is_causal: bool = False,
    **kwargs: Any,
) -> tuple[Tensor, Tensor]:
    """Attention with explicit weights; returns the output [B, T, H, D] and the weights [B, H, T, S]."""
    scores = query @ key.transpose(2, 3) * scaling
    if is_causal:
        attention_mask = torch.ones(scores.shape[-2:], dtype=torch.bool, device=scores.device).tril()
    if attention_mask is not None:
        scores = scores.masked_fill(~attention_mask, torch.finfo(scores.dtype).min)
    weights = F.softmax(scores, dim=-1, dtype=torch.float32).to(query.dtype)
    attended = F.dropout(weights, dropout) @ value
    return attended.transpose(1, 2).contiguous(), weights


class XLMSWCMAttention(nn.Module):
    """Multi-head attention, computed by the implementation in ``attn_implementation``."""

    def __init__(self, config: XLMSWCMConfig, heads: int):
        super().__init__()
        self.config = config
        self.head_dim = config.d_model // heads
        self.scaling = self.head_dim**-0.5
        self.is_causal = False
        self.q_proj = nn.Linear(config.d_model, config.d_model)
        self.k_proj = nn.Linear(config.d_model, config.d_model)
        self.v_proj = nn.Linear(config.d_model, config.d_model)
        self.out_proj = nn.Linear(config.d_model, config.d_model)

    def forward(
        self,
        hidden: Tensor,
        mask: Tensor | None,
        is_causal: bool = False,
        source: Tensor | None = None,
        cache: EncoderDecoderCache | None = None,
        layer: int = 0,
    ) -> tuple[Tensor, Tensor | None]:
        """Attend from ``hidden`` [B, T, C] to itself, or to ``source`` [B, S, C].

        Args:
            hidden: input of the queries.
            mask: bool, broadcast to [B, H, T, S], True where attention is allowed; for flash attention, [B, S].
            is_causal: whether positions must not attend to later ones.
            source: the encoder's output, for cross-attention.
            cache: keys and values of earlier steps.
            layer: index of the decoder layer, for the cache.

        Returns:
            The output [B, T, C], and the weights [B, H, T, S] if the implementation returns them.
        """
        query = self._heads(self.q_proj(hidden))
        key, value = self._keys_and_values(hidden, source, cache, layer)
        self.is_causal = is_causal  # read by flash attention in some releases; set per call, as modules may be tied
        attended, weights = _attention_function(self.config)(
            self,
            query,
            key,
            value,
            mask,
            dropout=self.config.attention_dropout if self.training else 0.0,
            scaling=self.scaling,
            is_causal=is_causal,
        )
        return self.out_proj(attended.reshape(hidden.shape)), weights

    def _heads(self, x: Tensor) -> Tensor:
        """[B, T, C] -> [B, H, T, D]."""
        return x.view(*x.shape[:-1], -1, self.head_dim).transpose(1, 2)

    def _keys_and_values(
        self, hidden: Tensor, source: Tensor | None, cache: EncoderDecoderCache | None, layer: int
    ) -> tuple[Tensor, Tensor]:
        """Keys and values of all positions, [B, H, S, D]; those of the source are computed only once."""
        if source is not None and cache is not None and cache.is_updated.get(layer):
            return _cached(cache.cross_attention_cache, layer)
        attended = hidden if source is None else source
        key, value = self._heads(self.k_proj(attended)), self._heads(self.v_proj(attended))
        if cache is None:
            return key, value
        if source is None:
            return cache.self_attention_cache.update(key, value, layer)
        cache.is_updated[layer] = True
        return cache.cross_attention_cache.update(key, value, layer)


def _attention_function(config: XLMSWCMConfig) -> Callable[..., tuple[Tensor, Tensor | None]]:
    name = config._attn_implementation
    return eager_attention if name == "eager" else ALL_ATTENTION_FUNCTIONS[name]


def _is_flash(config: XLMSWCMConfig) -> bool:
    return "flash" in (config._attn_implementation or "")


def _cached(cache: DynamicCache, layer: int) -> tuple[Tensor, Tensor]:
    if hasattr(cache, "layers"):
        return cache.layers[layer].keys, cache.layers[layer].values
    return cache.key_cache[layer], cache.value_cache[layer]  # transformers before 4.54


class XLMSWCMFeedForward(nn.Module):
    """Position-wise feed-forward network."""

    def __init__(self, config: XLMSWCMConfig, inner: int):
        super().__init__()
        self.activation = ACT2FN[config.activation_function]
        self.dropout = config.activation_dropout
        self.fc1 = nn.Linear(config.d_model, inner)
        self.fc2 = nn.Linear(inner, config.d_model)

    def forward(self, x: Tensor) -> Tensor:
        """[B, T, C] -> [B, T, C]."""
        return self.fc2(F.dropout(self.activation(self.fc1(x)), self.dropout, self.training))


class XLMSWCMEncoderLayer(nn.Module):
    """self-attention -> FFN."""

    def __init__(self, config: XLMSWCMConfig):
        super().__init__()
        self.dropout = config.dropout
        self.self_attn = XLMSWCMAttention(config, config.encoder_attention_heads)
        self.self_attn_layer_norm = nn.LayerNorm(config.d_model, config.encoder_layer_norm_eps)
        self.ffn1 = XLMSWCMFeedForward(config, config.encoder_ffn_dim)
        self.final_layer_norm = nn.LayerNorm(config.d_model, config.encoder_layer_norm_eps)

    def forward(self, x: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """[B, S, C] -> [B, S, C], and the attention weights if available."""
        attended, weights = self.self_attn(x, mask)
        x = self.self_attn_layer_norm(x + F.dropout(attended, self.dropout, self.training))
        x = self.final_layer_norm(x + F.dropout(self.ffn1(x), self.dropout, self.training))
        return x, weights


class XLMSWCMDecoderLayer(nn.Module):
    """An inherited or normal layer or, with ``config.tie_duplicates``, a placeholder that repeats the previous layer.

    Args:
        config: configuration of the model.
        planned: the layer's entry in ``config.decoder_plan``.
    """

    def __init__(self, config: XLMSWCMConfig, planned: str):
        super().__init__()
        kind, _, encoder_layer = planned.partition(" ")
        if kind not in ("inherit", "duplicate", "normal"):
            raise ValueError(f"decoder_plan: {planned!r} is not one of 'inherit N', 'duplicate N' and 'normal'")
        self.dropout = config.dropout
        self.encoder_layer = int(encoder_layer or 0)
        self.repeats = config.tie_duplicates and kind == "duplicate"
        if self.repeats:
            return
        self.ties_self_attention = config.tie_self_attention and kind == "inherit"
        self.ties_ffn = config.tie_ffn and kind == "inherit"
        self.is_tied = self.ties_self_attention or self.ties_ffn
        heads, width, eps = config.decoder_attention_heads, config.d_model, config.decoder_layer_norm_eps
        if not self.ties_self_attention:
            self.self_attn = XLMSWCMAttention(config, heads)
        self.self_attn_layer_norm = nn.LayerNorm(width, eps)
        if not self.ties_ffn:
            self.ffn1 = XLMSWCMFeedForward(config, config.decoder_ffn_dim)
        self.encoder_attn = XLMSWCMAttention(config, heads)
        self.encoder_attn_layer_norm = nn.LayerNorm(width, eps)
        self.inherited = kind != "normal"
        if self.inherited:
            self.ffn1_layer_norm = nn.LayerNorm(width, eps)
            if not self.ties_ffn:
                self.ffn2 = XLMSWCMFeedForward(config, config.decoder_ffn_dim)
        self.final_layer_norm = nn.LayerNorm(width, eps)

    def forward(
        self,
        x: Tensor,
        mask: Tensor | None,
        is_causal: bool,
        source: Tensor | None,
        source_mask: Tensor | None,
        cache: EncoderDecoderCache | None,
        tied: XLMSWCMEncoderLayer | None,
        number: int,
    ) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """Apply the layer; see also :meth:`XLMSWCMAttention.forward`.

        Args:
            x: [B, T, C].
            mask: mask of self-attention.
            is_causal: whether self-attention is causal.
            source: [B, S, C]; None skips cross-attention.
            source_mask: mask of cross-attention.
            cache: keys and values of earlier steps.
            tied: the encoder layer whose blocks a tied layer uses.
            number: index of the layer in the decoder, for the cache.

        Returns:
            Output [B, T, C], and the weights of self-attention and cross-attention, if available.
        """
        self_attn = tied.self_attn if tied is not None and self.ties_self_attention else self.self_attn
        ffns = [tied.ffn1, tied.ffn1] if tied is not None and self.ties_ffn else self.own_ffns()
        attended, weights = self_attn(x, mask, is_causal, cache=cache, layer=number)
        x = self._add(x, attended, self.self_attn_layer_norm)
        if self.inherited:
            x = self._add(x, ffns[0](x), self.ffn1_layer_norm)
        source_weights = None
        if source is not None:
            attended, source_weights = self.encoder_attn(x, source_mask, source=source, cache=cache, layer=number)
            x = self._add(x, attended, self.encoder_attn_layer_norm)
        x = self._add(x, ffns[-1](x), self.final_layer_norm)
        return x, weights, source_weights

    def own_ffns(self) -> list[XLMSWCMFeedForward]:
        """FFN1 and FFN2, or the only FFN of a normal layer."""
        return [self.ffn1, self.ffn2] if self.inherited else [self.ffn1]

    def _add(self, residual: Tensor, x: Tensor, norm: nn.LayerNorm) -> Tensor:
        return norm(residual + F.dropout(x, self.dropout, self.training))


class XLMSWCMStack(nn.Module):
    """Common parts of encoder and decoder: embeddings, positions, and the loop over layers.

    Positions are numbered as in fairseq and XLM-R: the first token that is not padding uses row ``pad_token_id + 1``.
    """

    def __init__(self, config: XLMSWCMConfig, positions: int, eps: float, layerdrop: float):
        super().__init__()
        self.config, self.layerdrop, self.dropout, self.positions = config, layerdrop, config.dropout, positions
        self.padding_idx = config.pad_token_id
        self.embed_positions = nn.Embedding(positions + self.padding_idx + 1, config.d_model, self.padding_idx)
        self.layernorm_embedding = nn.LayerNorm(config.d_model, eps)
        self.gradient_checkpointing = False

    def embed(self, tokens: Tensor, mask: Tensor) -> Tensor:
        """Add positions to token embeddings [B, T, C]; ``mask`` [B, all positions so far] is True at tokens.

        Raises:
            ValueError: the text is longer than the model's positions.
        """
        numbers = mask.long().cumsum(1) * mask.long() + self.padding_idx
        if mask.size(1) > self.positions and int(numbers.max()) > self.positions + self.padding_idx:
            raise ValueError(
                f"{int(numbers.max()) - self.padding_idx} tokens, but the model has {self.positions} positions; "
                "truncate the text (tokenizer(..., truncation=True)) or lower max_length"
            )
        x = self.layernorm_embedding(tokens + self.embed_positions(numbers[:, -tokens.size(1) :]))
        return F.dropout(x, self.dropout, self.training)

    def run(self, layer: nn.Module, *inputs: Any) -> tuple[Any, ...] | None:
        """Apply a layer, with gradient checkpointing if it is enabled; None if LayerDrop skips the layer."""
        if self.training and self.layerdrop and torch.rand(()) < self.layerdrop:
            return None
        if self.gradient_checkpointing and self.training:
            recompute: Callable[..., Any] = self._gradient_checkpointing_func  # type: ignore[assignment]
            return recompute(layer.__call__, *inputs)
        return layer(*inputs)


class XLMSWCMEncoder(XLMSWCMStack):
    """XLM-R's encoder."""

    def __init__(self, config: XLMSWCMConfig):
        super().__init__(config, config.max_source_positions, config.encoder_layer_norm_eps, config.encoder_layerdrop)
        self.embed_tokens = nn.Embedding(config.vocab_size, config.d_model, config.pad_token_id)
        self.layers = nn.ModuleList(XLMSWCMEncoderLayer(config) for _ in range(config.encoder_layers))

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
    ) -> BaseModelOutput | tuple[Any, ...]:
        """Encode ``input_ids`` [B, S] or ``inputs_embeds`` [B, S, C]; ``attention_mask`` [B, S] is 0 at padding."""
        embeds = _embeddings(self.embed_tokens, input_ids, inputs_embeds)
        seen = _token_mask(attention_mask, input_ids, embeds, self.padding_idx)
        mask = key_mask(seen, self.config)
        x = self.embed(embeds, seen)
        hidden_states, attentions = [x], []
        for layer in self.layers:
            result = self.run(layer, x, mask)
            if result is not None:
                x = result[0]
                attentions.append(result[1])
            hidden_states.append(x)
        output = BaseModelOutput(
            last_hidden_state=x,
            hidden_states=tuple(hidden_states)
            if _option(output_hidden_states, self.config, "output_hidden_states")
            else None,
            attentions=tuple(attentions) if _option(output_attentions, self.config, "output_attentions") else None,
        )
        return output if _option(return_dict, self.config, "return_dict") else output.to_tuple()


class XLMSWCMDecoder(XLMSWCMStack):
    """The decoder; its layers follow ``config.decoder_plan``."""

    def __init__(self, config: XLMSWCMConfig):
        super().__init__(config, config.max_target_positions, config.decoder_layer_norm_eps, config.decoder_layerdrop)
        if config.separate_embeddings:
            self.embed_tokens = nn.Embedding(config.vocab_size, config.d_model, config.pad_token_id)
        self.layers = nn.ModuleList(XLMSWCMDecoderLayer(config, planned) for planned in config.decoder_plan)

    def forward(
        self,
        embeds: Tensor,
        seen: Tensor,
        encoder_layers: nn.ModuleList,
        source: Tensor | None,
        source_mask: Tensor | None,
        cache: EncoderDecoderCache | None,
    ) -> tuple[Tensor, list[Tensor], list[Tensor | None], list[Tensor | None]]:
        """Decode.

        Args:
            embeds: token embeddings [B, T, C] of the new positions.
            seen: bool [B, all positions so far], False at padding.
            encoder_layers: the layers whose blocks tied decoder layers use.
            source: the encoder's output [B, S, C].
            source_mask: see :func:`key_mask`.
            cache: keys and values of earlier steps; the new ones are added.

        Returns:
            Features [B, T, C]; hidden states and weights of self-attention and cross-attention of every layer.
        """
        mask, is_causal = causal_mask(seen, embeds.size(1), self.config)
        x = self.embed(embeds, seen)
        hidden_states, attentions, source_attentions = [x], [], []
        for number, place in enumerate(self.layers):
            layer = self.layers[number - 1] if place.repeats else place
            tied = encoder_layers[int(layer.encoder_layer)] if layer.is_tied else None  # type: ignore[arg-type]
            result = self.run(layer, x, mask, is_causal, source, source_mask, cache, tied, number)
            if result is not None:
                x = result[0]
                attentions.append(result[1])
                source_attentions.append(result[2])
            hidden_states.append(x)
        return x, hidden_states, attentions, source_attentions


def key_mask(seen: Tensor, config: XLMSWCMConfig) -> Tensor | None:
    """The mask over the source for ``seen``, bool [B, S]; None if there is no padding."""
    if seen.all():
        return None
    return seen if _is_flash(config) else seen[:, None, None, :]


def causal_mask(seen: Tensor, length: int, config: XLMSWCMConfig) -> tuple[Tensor | None, bool]:
    """Mask of the decoder's self-attention for ``seen``, bool [B, all positions]; the last ``length`` are new.

    Returns:
        The mask, and whether the implementation must add causality, which is possible if no padding precedes a token.
    """
    if _is_flash(config):
        return (None if seen.all() else seen), True
    total = seen.size(1)
    if total == length and seen[:, 0].all():  # causality hides padding after the tokens
        return None, length > 1
    if length == 1 and seen.all():
        return None, False
    places = torch.arange(total, device=seen.device)
    queries = places[total - length :, None]
    # Every query may attend to itself; otherwise padding could attend to nothing and its output would be NaN.
    allowed = (seen[:, None, :] & (places <= queries)) | (places == queries)
    return allowed[:, None], False


def _embeddings(table: nn.Embedding, ids: Tensor | None, embeds: Tensor | None) -> Tensor:
    if (ids is None) == (embeds is None):
        raise ValueError("give either token ids or embeddings, on the source and on the target side")
    return table(ids) if embeds is None else embeds


def _token_mask(mask: Tensor | None, ids: Tensor | None, embeds: Tensor, padding_idx: int) -> Tensor:
    """bool [B, T], False at padding: ``mask`` if it is given, otherwise derived from the ids."""
    if mask is not None:
        return mask.bool()
    if ids is not None:
        return ids.ne(padding_idx)
    return torch.ones(embeds.shape[:2], dtype=torch.bool, device=embeds.device)


def _option(value: bool | None, config: XLMSWCMConfig, name: str) -> bool:
    return bool(getattr(config, name) if value is None else value)


class XLMSWCMPreTrainedModel(PreTrainedModel):
    """Properties of the models below that transformers needs."""

    config_class = XLMSWCMConfig
    base_model_prefix = "model"
    supports_gradient_checkpointing = True
    accepts_loss_kwargs = False  # the loss is a mean over the tokens of a batch
    _no_split_modules = ["XLMSWCMEncoderLayer", "XLMSWCMDecoderLayer"]
    _skip_keys_device_placement = ["past_key_values", "cache"]
    _supports_sdpa = True
    _supports_flash_attn = True
    _supports_flash_attn_2 = True
    _supports_cache_class = True

    def _init_weights(self, module: nn.Module) -> None:
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=self.config.init_std)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.LayerNorm):
            nn.init.ones_(module.weight)
            nn.init.zeros_(module.bias)


class XLMSWCMModel(XLMSWCMPreTrainedModel):
    """Encoder and decoder without the output matrix."""

    def __init__(self, config: XLMSWCMConfig):
        super().__init__(config)
        self.encoder = XLMSWCMEncoder(config)
        self.decoder = XLMSWCMDecoder(config)
        self.post_init()

    def get_encoder(self) -> XLMSWCMEncoder:
        """The encoder."""
        return self.encoder

    def get_decoder(self) -> XLMSWCMDecoder:
        """The decoder."""
        return self.decoder

    def get_input_embeddings(self) -> nn.Embedding:
        """Token embeddings of the encoder, and of the decoder unless it has its own."""
        return self.encoder.embed_tokens

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """Replace the token embeddings.

        Raises:
            ValueError: the decoder has its own embeddings, which would keep their old size.
        """
        if self.config.separate_embeddings:
            raise ValueError("encoder and decoder have separate embeddings; they cannot be replaced together")
        self.encoder.embed_tokens = value

    def target_embeddings(self) -> nn.Embedding:
        """Token embeddings of the decoder."""
        return self.decoder.embed_tokens if self.config.separate_embeddings else self.encoder.embed_tokens

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: BaseModelOutput | tuple[Any, ...] | None = None,
        past_key_values: EncoderDecoderCache | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        cache: EncoderDecoderCache | None = None,
    ) -> Seq2SeqModelOutput | tuple[Any, ...]:
        """Encode unless ``encoder_outputs`` are given, and decode.

        Args:
            input_ids: source [B, S]: ``<s> <xx> w1 .. wn </s>``.
            attention_mask: [B, S], 0 at padding; default: where ``input_ids`` are ``<pad>``.
            decoder_input_ids: target [B, T]: ``<s> <xx> w1 .. wn``; with a cache only the new positions.
            decoder_attention_mask: [B, all target positions so far], 0 at padding.
            encoder_outputs: outputs of the encoder, if it has already run.
            past_key_values: the cache under its older name; newer releases call it ``cache``.
            inputs_embeds: [B, S, C] instead of ``input_ids``.
            decoder_inputs_embeds: [B, T, C] instead of ``decoder_input_ids``.
            use_cache: whether to keep keys and values for the next step.
            output_attentions: whether to return attention weights (available with ``attn_implementation="eager"``).
            output_hidden_states: whether to return the hidden states of all layers.
            return_dict: whether to return an object instead of a tuple.
            cache: keys and values of earlier steps.
        """
        attentions = _option(output_attentions, self.config, "output_attentions")
        hidden_states = _option(output_hidden_states, self.config, "output_hidden_states")
        if encoder_outputs is None:
            encoder_outputs = self.encoder(
                input_ids, attention_mask, inputs_embeds, attentions, hidden_states, return_dict=True
            )
        encoded = BaseModelOutput(*encoder_outputs) if isinstance(encoder_outputs, tuple) else encoder_outputs
        source = encoded.last_hidden_state
        cache = self._cache(past_key_values if cache is None else cache, use_cache)
        embeds = _embeddings(self.target_embeddings(), decoder_input_ids, decoder_inputs_embeds)
        past = 0 if cache is None else cache.get_seq_length()
        seen = _target_mask(decoder_attention_mask, decoder_input_ids, embeds, past, self.decoder.padding_idx)
        seen_source = _token_mask(attention_mask, input_ids, source, self.encoder.padding_idx)
        source_mask = key_mask(seen_source, self.config)
        x, states, own, cross = self.decoder(embeds, seen, self.encoder.layers, source, source_mask, cache)
        output = Seq2SeqModelOutput(
            last_hidden_state=x,
            **{CACHE: cache},
            decoder_hidden_states=tuple(states) if hidden_states else None,
            decoder_attentions=tuple(own) if attentions else None,
            cross_attentions=tuple(cross) if attentions else None,
            encoder_last_hidden_state=source,
            encoder_hidden_states=encoded.hidden_states,
            encoder_attentions=encoded.attentions,
        )
        return output if _option(return_dict, self.config, "return_dict") else output.to_tuple()

    def _cache(self, cache: EncoderDecoderCache | None, use_cache: bool | None) -> EncoderDecoderCache | None:
        """The cache to use; in training, no new cache is created, because it would have no use."""
        if cache is None and _option(use_cache, self.config, "use_cache") and not self.training:
            return EncoderDecoderCache(DynamicCache(), DynamicCache())
        return cache


def _target_mask(mask: Tensor | None, ids: Tensor | None, embeds: Tensor, past: int, padding_idx: int) -> Tensor:
    """bool [B, past + T], False at padding. Without a ``mask``, cached positions count as tokens."""
    if mask is not None:
        return mask.bool()
    new = _token_mask(None, ids if past == 0 else None, embeds, padding_idx)
    return F.pad(new, (past, 0), value=True)


class EndAtMaxLength(LogitsProcessor):
    """Allows only ``</s>`` at the last position, with its own probability, as in fairseq's search.

    transformers' ``forced_eos_token_id`` would give it probability 1, which favors truncated hypotheses.
    """

    def __init__(self, max_length: int, eos: int):
        self.max_length, self.eos = max_length, eos

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """``scores`` [B, V] after ``input_ids`` [B, T]."""
        if input_ids.size(1) < self.max_length - 1:
            return scores
        last = torch.full_like(scores, -torch.inf)
        last[:, self.eos] = scores[:, self.eos]
        return last


class NeverWrite(LogitsProcessor):
    """Excludes language tokens from the search, because they are given, not generated."""

    def __init__(self, tokens: list[int]):
        self.tokens = tokens

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """``scores`` [B, V] after ``input_ids`` [B, T]."""
        return scores.index_fill(1, torch.tensor(self.tokens, device=scores.device), -torch.inf)


class XLMSWCMForConditionalGeneration(XLMSWCMPreTrainedModel, GenerationMixin):
    """The whole model, for generation: ``generate`` searches like ``fairseq-generate``."""

    _tied_weights_keys = {"lm_head.weight": "model.encoder.embed_tokens.weight"}

    def __init__(self, config: XLMSWCMConfig):
        super().__init__(config)
        self.model = XLMSWCMModel(config)
        self.lm_head = nn.Linear(config.d_model, config.vocab_size, bias=False)
        if config.separate_embeddings:
            self._tied_weights_keys = {"lm_head.weight": "model.decoder.embed_tokens.weight"}
        self.post_init()

    def _tie_weights(self) -> None:
        """Tie the output matrix; transformers 4 calls this after its own ``tie_weights``, which uses the encoder's."""
        if self.config.tie_word_embeddings:
            self.lm_head.weight = self.model.target_embeddings().weight

    def get_encoder(self) -> XLMSWCMEncoder:
        """The encoder."""
        return self.model.encoder

    def get_decoder(self) -> XLMSWCMDecoder:
        """The decoder."""
        return self.model.decoder

    def get_input_embeddings(self) -> nn.Embedding:
        """See :class:`XLMSWCMModel`."""
        return self.model.get_input_embeddings()

    def set_input_embeddings(self, value: nn.Embedding) -> None:
        """See :class:`XLMSWCMModel`."""
        self.model.set_input_embeddings(value)

    def get_output_embeddings(self) -> nn.Linear:
        """The output matrix."""
        return self.lm_head

    def set_output_embeddings(self, value: nn.Linear) -> None:
        """Replace the output matrix."""
        self.lm_head = value

    def prepare_decoder_input_ids_from_labels(self, labels: Tensor) -> Tensor:
        """The decoder input ``<s> <xx> w1 .. wn`` for ``labels`` ``<xx> w1 .. wn </s>``, [B, T]."""
        shifted = labels.roll(1, dims=1)
        shifted[:, 0] = self.config.decoder_start_token_id
        return shifted.masked_fill(shifted == IGNORED, self.config.pad_token_id)

    def prepare_inputs_for_generation(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """transformers' inputs without ``cache_position``, which older releases add and newer ones warn about."""
        inputs = super().prepare_inputs_for_generation(*args, **kwargs)
        inputs.pop("cache_position", None)
        return inputs

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        decoder_attention_mask: Tensor | None = None,
        encoder_outputs: BaseModelOutput | tuple[Any, ...] | None = None,
        past_key_values: EncoderDecoderCache | None = None,
        inputs_embeds: Tensor | None = None,
        decoder_inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        use_cache: bool | None = None,
        output_attentions: bool | None = None,
        output_hidden_states: bool | None = None,
        return_dict: bool | None = None,
        cache: EncoderDecoderCache | None = None,
    ) -> Seq2SeqLMOutput | tuple[Any, ...]:
        """:meth:`XLMSWCMModel.forward`, then logits [B, T, V] and, with ``labels`` [B, T], the loss.

        The loss is the mean cross entropy. As in fairseq's training, the language token is given, not predicted.
        Labels of -100 are also ignored.
        """
        if labels is not None:
            use_cache = False
            if decoder_input_ids is None and decoder_inputs_embeds is None:
                decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        output = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            decoder_input_ids=decoder_input_ids,
            decoder_attention_mask=decoder_attention_mask,
            encoder_outputs=encoder_outputs,
            past_key_values=past_key_values,
            inputs_embeds=inputs_embeds,
            decoder_inputs_embeds=decoder_inputs_embeds,
            use_cache=use_cache,
            output_attentions=output_attentions,
            output_hidden_states=output_hidden_states,
            return_dict=True,
            cache=cache,
        )
        logits = self.lm_head(output.last_hidden_state)
        fields = {name: value for name, value in output.items() if name != "last_hidden_state"}
        result = Seq2SeqLMOutput(loss=None if labels is None else self._loss(logits, labels), logits=logits, **fields)
        return result if _option(return_dict, self.config, "return_dict") else result.to_tuple()

    def _loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        languages = torch.tensor(list(self.config.language_token_ids.values()), device=labels.device)
        labels = labels.masked_fill(torch.isin(labels, languages), IGNORED)
        return F.cross_entropy(logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED)

    def generate(self, inputs: Tensor | None = None, generation_config: Any = None, *args: Any, **kwargs: Any) -> Any:
        """transformers' ``generate`` with a given target language.

        ``forced_bos_token_id`` is the id of the language token (``tokenizer.lang_code_to_id["bo"]``): one for the
        batch, or a tensor [B] with one per sentence. It comes from the call or from the generation configuration. It
        follows ``<s>``, has no score and does not count toward the length, as in fairseq's search.

        Raises:
            ValueError: no target language is given.
        """
        if kwargs.get("decoder_input_ids") is None:
            kwargs["decoder_input_ids"] = self._start(inputs, generation_config, kwargs)
        elif kwargs.get("decoder_attention_mask") is None:
            kwargs["decoder_attention_mask"] = kwargs["decoder_input_ids"].ne(self.config.pad_token_id).long()
        kwargs.pop("forced_bos_token_id", None)
        return super().generate(inputs, generation_config, *args, **kwargs)

    def _start(self, inputs: Tensor | None, generation_config: Any, kwargs: dict[str, Any]) -> Tensor:
        """``<s> <xx>`` for every sentence, int64 [B, 2]."""
        configs = [each for each in (generation_config, self.generation_config) if each is not None]
        said = [kwargs.get("forced_bos_token_id"), *(each.forced_bos_token_id for each in configs)]
        language = next((each for each in said if each is not None), None)
        if language is None:
            codes = ", ".join(self.config.language_token_ids)
            raise ValueError(
                f"no target language ({codes}): give forced_bos_token_id=tokenizer.lang_code_to_id[...], or set "
                "model.generation_config.forced_bos_token_id"
            )
        encoded = kwargs.get("encoder_outputs")
        given = [inputs, kwargs.get("input_ids"), kwargs.get("inputs_embeds"), None if encoded is None else encoded[0]]
        rows = next(len(each) for each in given if each is not None)
        languages = torch.as_tensor(language, device=self.device).expand(rows)
        return torch.stack((torch.full_like(languages, self.config.decoder_start_token_id), languages), dim=1)

    def _get_logits_processor(self, generation_config: Any, *args: Any, **kwargs: Any) -> LogitsProcessorList:
        """Our processors, which end the search and exclude language tokens, followed by transformers' own."""
        ours: list[LogitsProcessor] = [NeverWrite(list(self.config.language_token_ids.values()))]
        longest = min(generation_config.max_length, self.config.max_target_positions + 1)
        if (generation_config.min_length or 0) < longest:  # otherwise, </s> is forbidden even at the last position
            ours.append(EndAtMaxLength(longest, self.config.eos_token_id))
        return LogitsProcessorList([*ours, *super()._get_logits_processor(generation_config, *args, **kwargs)])


# Saving a model that was loaded from a directory also saves the code files.
XLMSWCMConfig.register_for_auto_class()
XLMSWCMModel.register_for_auto_class("AutoModel")
XLMSWCMForConditionalGeneration.register_for_auto_class("AutoModelForSeq2SeqLM")
