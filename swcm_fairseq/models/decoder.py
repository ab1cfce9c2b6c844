"""The decoder: inherited layers with normal layers in between, run by fairseq's decoder loop."""

import contextlib
from collections.abc import Iterator

import torch
import torch.nn.functional as F
from fairseq.data import Dictionary
from fairseq.models.transformer import TransformerConfig, TransformerDecoderBase
from fairseq.modules import LearnedPositionalEmbedding
from torch import Tensor, nn

from swcm_fairseq.models.attention import Attention, CausalMask, IncrementalState
from swcm_fairseq.models.encoder import EncoderOut
from swcm_fairseq.models.freezing import FreezableEmbeddings
from swcm_fairseq.models.layer_plan import LayerKind, PlannedLayer
from swcm_fairseq.models.layers import InheritedDecoderLayer, NormalDecoderLayer, prepared
from swcm_fairseq.models.norms import DEFAULT_EPS, EpsilonInState

STATIC = "static"  # the key of the decoder's own entry in the incremental state
NO_LAYER = -1  # value of fairseq's ``alignment_layer``: no layer returns attention weights


class Decoder(EpsilonInState, FreezableEmbeddings, TransformerDecoderBase):
    """Transformer decoder whose layers follow a plan.

    Args:
        cfg: fairseq's configuration; ``cfg.decoder.layers`` is ``len(plan)``.
        dictionary: the target dictionary.
        embed_tokens: [V, C].
        plan: the layers, see :func:`~swcm_fairseq.models.layer_plan.layer_plan`.
        compiled: whether to compile layers. Incremental decoding, whose state grows with every step, is not compiled.
    """

    cfg: TransformerConfig
    embed_tokens: nn.Embedding
    embed_positions: LearnedPositionalEmbedding
    layers: nn.ModuleList
    output_projection: nn.Linear
    padding_idx: int

    def __init__(
        self,
        cfg: TransformerConfig,
        dictionary: Dictionary,
        embed_tokens: nn.Embedding,
        plan: list[PlannedLayer],
        compiled: bool = False,
    ):
        self._unbuilt, self._compiled = list(plan), compiled
        super().__init__(cfg, dictionary, embed_tokens)
        self.plan = plan
        self.need_attn = False
        # This makes fairseq's loop use the padding mask as it is, instead of asking the GPU whether there is padding.
        self.cross_self_attention = True
        # Not a ModuleList, because the layers own these modules. Walking all modules would take a tenth of a step.
        self._attentions = [module for module in self.modules() if isinstance(module, Attention)]
        self.set_layer_norm_eps(DEFAULT_EPS)
        self.make_embeddings_freezable()
        self.embed_positions.register_forward_hook(self._static_position, with_kwargs=True)

    def build_decoder_layer(self, cfg: TransformerConfig, no_encoder_attn: bool = False) -> nn.Module:
        """Called by the parent's constructor once per layer of the plan."""
        planned = self._unbuilt.pop(0)
        kind = NormalDecoderLayer if planned.kind is LayerKind.NORMAL else InheritedDecoderLayer
        return prepared(kind(cfg), cfg, self._compiled)

    def forward(
        self,
        prev_output_tokens: Tensor,
        encoder_out: EncoderOut | None = None,
        incremental_state: IncrementalState | None = None,
        features_only: bool = False,
        full_context_alignment: bool = False,
        alignment_layer: int | None = None,
        alignment_heads: int | None = None,
        src_lengths: Tensor | None = None,
        return_all_hiddens: bool = False,
        left_padded: bool | None = None,
    ) -> tuple[Tensor, dict[str, list]]:
        """As in fairseq: logits [B, T, V], or features [B, T, C] with ``features_only``; and fairseq's dictionary.

        For ``left_padded``, see :meth:`extract_features`.
        """
        x, extra = self.extract_features(
            prev_output_tokens,
            encoder_out,
            incremental_state,
            full_context_alignment,
            alignment_layer,
            alignment_heads,
            left_padded,
        )
        return (x if features_only else self.output_layer(x)), extra

    def extract_features(
        self,
        prev_output_tokens: Tensor,
        encoder_out: EncoderOut | None,
        incremental_state: IncrementalState | None = None,
        full_context_alignment: bool = False,
        alignment_layer: int | None = None,
        alignment_heads: int | None = None,
        left_padded: bool | None = None,
    ) -> tuple[Tensor, dict[str, list]]:
        """As in fairseq, but computes attention weights only on request.

        ``prev_output_tokens`` are [B, T]. ``left_padded`` tells whether there is padding on the left; None checks,
        which waits for the GPU. Returns features [B, T, C] and ``{"attn": [weights or None], ...}``.
        """
        if incremental_state is None:
            self._future_mask = CausalMask.of(prev_output_tokens, self.padding_idx, left_padded)
        elif not incremental_state and encoder_out is not None:  # the first step of a batch
            self.set_beam_size(encoder_out.get("beams", [1])[0])  # type: ignore[operator]
        if alignment_layer is None and not self.need_attn:
            alignment_layer = NO_LAYER
        by_steps = self._compiled and incremental_state is not None
        with torch.compiler.set_stance("force_eager") if by_steps else contextlib.nullcontext():
            return super().extract_features(
                prev_output_tokens,
                encoder_out,
                incremental_state,
                full_context_alignment,
                alignment_layer,
                alignment_heads,
            )

    @contextlib.contextmanager
    def keys_computed_once(self, encoder_out: EncoderOut) -> Iterator[None]:
        """Inside the block, all decoder passes share the cross-attention keys and values of ``encoder_out``.

        With ``--checkpoint-activations``, each pass computes and recomputes its own instead.
        """
        source = encoder_out["encoder_out"][0]
        cross = [each for each in self._attentions if each.encoder_decoder_attention]
        cross = [] if self.cfg.checkpoint_activations else cross
        try:
            for attention in cross:
                keys, values = attention.project(source, attention.k_proj, attention.v_proj)
                attention.given_keys = keys, values
            yield
        finally:
            for attention in cross:
                attention.given_keys = None

    def static_state(self, encoder_out: EncoderOut, position: Tensor, rows: int, positions: int) -> IncrementalState:
        """The state for incremental decoding whose tensors keep their addresses and shapes, so every step is the same.

        Args:
            encoder_out: the encoder's output, with ``beams``, after the generator has repeated it.
            position: int64 [1]; before each step, the caller writes the position of the next word, from 0, to it.
            rows: number of rows: sentences x beams.
            positions: maximum number of words.
        """
        self.set_beam_size(encoder_out.get("beams", [1])[0])  # type: ignore[operator]
        state: IncrementalState = {STATIC: {"position": position}}
        for attention in self._attentions:
            if attention.self_attention:
                attention.use_static_buffer(state, position, rows, positions)
        return state

    @staticmethod
    def _static_position(
        module: LearnedPositionalEmbedding, inputs: object, named: dict[str, IncrementalState | None], output: Tensor
    ) -> Tensor:
        """The embedding [1, 1, C] of the position in a static state; fairseq's ``output`` for any other state."""
        state = named.get("incremental_state")
        if not state or STATIC not in state:
            return output
        position = state[STATIC]["position"]
        assert position is not None
        return F.embedding(position + module.padding_idx + 1, module.weight)[None]  # fairseq counts after padding

    def reorder_incremental_state_scripting(
        self, incremental_state: IncrementalState, new_order: Tensor, shared: int = 0
    ) -> None:
        """Called by the generator before every step but the first; ``new_order``, int64 [B], are the rows to continue.

        The first ``shared`` positions are the same in all beams of a sentence, so they are not copied.

        In greedy search, every row continues unchanged until a sentence ends, so nothing is copied. Whether beams have
        moved is not checked, because that would wait for the GPU.
        """
        if not incremental_state:
            return
        own = next(module for module in self._attentions if module.self_attention)
        cross = next(module for module in self._attentions if not module.self_attention)
        if cross.beam_size == 1 and own.cached_rows(incremental_state) == len(new_order):
            return
        for attention in self._attentions:
            attention.reorder_incremental_state(incremental_state, new_order, shared)

    def buffered_future_mask(self, tensor: Tensor) -> CausalMask:
        """The mask of this batch; fairseq's loop passes it to every layer."""
        return self._future_mask

    @property
    def output_weight(self) -> Tensor:
        """The output matrix [V, C]; detached from the gradient while it is tied to frozen embeddings."""
        weight = self.output_projection.weight
        frozen = self.embeddings_frozen and weight is self.embed_tokens.weight
        return weight.detach() if frozen else weight

    def output_layer(self, features: Tensor) -> Tensor:
        """Features [B, T, C] -> logits [B, T, V]."""
        weight = self.output_weight
        if weight is self.output_projection.weight:
            return self.output_projection(features)  # the module, so that decoding can replace it with a smaller one
        return F.linear(features, weight)

    def make_generation_fast_(self, need_attn: bool = False, **kwargs: object) -> None:
        """Called before generation; ``need_attn`` comes from ``--print-alignment``."""
        self.need_attn = need_attn
