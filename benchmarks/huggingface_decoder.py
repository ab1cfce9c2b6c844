"""Our model as Hugging Face's EncoderDecoderModel, with the same weights and the same outputs.

Encoder, decoder and all layers are the XLM-R classes of transformers, with two replacements: the first FFN of an
inherited decoder layer follows its self-attention, and the output matrix has no dense layer before it. ``generate`` and
its cache are those of transformers.
"""

import torch
from torch import Tensor, nn
from transformers import EncoderDecoderModel, XLMRobertaConfig, XLMRobertaForCausalLM, XLMRobertaModel
from transformers.models.xlm_roberta.modeling_xlm_roberta import XLMRobertaIntermediate, XLMRobertaOutput

from swcm_fairseq.models import XLMSWCMModel
from swcm_fairseq.models.layer_plan import LayerKind

# Names in fairseq -> names in transformers, for the parts of encoder, normal decoder and inherited decoder layers.
ATTENTION = {"q_proj": "self.query", "k_proj": "self.key", "v_proj": "self.value", "out_proj": "output.dense"}
ENCODER_LAYER = {
    **{f"self_attn.{ours}": f"attention.{theirs}" for ours, theirs in ATTENTION.items()},
    "self_attn_layer_norm": "attention.output.LayerNorm",
    "fc1": "intermediate.dense",
    "fc2": "output.dense",
    "final_layer_norm": "output.LayerNorm",
}
NORMAL_LAYER = {
    **ENCODER_LAYER,
    **{f"encoder_attn.{ours}": f"crossattention.{theirs}" for ours, theirs in ATTENTION.items()},
    "encoder_attn_layer_norm": "crossattention.output.LayerNorm",
}
INHERITED_LAYER = {
    **NORMAL_LAYER,
    **{f"self_attn.{ours}": f"attention.attention.{theirs}" for ours, theirs in ATTENTION.items()},
    "self_attn_layer_norm": "attention.attention.output.LayerNorm",
    "fc1": "attention.intermediate.dense",
    "fc2": "attention.output.dense",
    "ffn1_layer_norm": "attention.output.LayerNorm",
    "fc3": "intermediate.dense",
    "fc4": "output.dense",
}
EMBEDDINGS = {
    "embed_tokens": "word_embeddings",
    "embed_positions": "position_embeddings",
    "layernorm_embedding": "LayerNorm",
}


class AttentionThenFFN(nn.Module):
    """Self-attention and the first FFN of an inherited layer, instead of XLM-R's self-attention."""

    def __init__(self, attention: nn.Module, config: XLMRobertaConfig):
        super().__init__()
        self.attention = attention
        self.intermediate = XLMRobertaIntermediate(config)
        self.output = XLMRobertaOutput(config)

    def forward(self, *args, **kwargs) -> tuple[Tensor, Tensor | None]:
        """Hidden states [B, T, C] and attention weights, as in XLM-R."""
        hidden, weights = self.attention(*args, **kwargs)
        return self.output(self.intermediate(hidden), hidden), weights


class OutputMatrix(nn.Module):
    """A language model head that is only a matrix."""

    def __init__(self, config: XLMRobertaConfig):
        super().__init__()
        self.decoder = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def forward(self, features: Tensor) -> Tensor:
        """Logits [B, T, V]."""
        return self.decoder(features)


def huggingface_model(ours: XLMSWCMModel) -> EncoderDecoderModel:
    """Build ``ours`` from the classes of transformers; weights are copied, and shared weights stay shared."""
    cfg, plan = ours.cfg, ours.decoder.plan
    size = {
        "vocab_size": ours.decoder.embed_tokens.num_embeddings,
        "hidden_size": cfg.encoder_embed_dim,
        "intermediate_size": cfg.encoder_ffn_embed_dim,
        "num_attention_heads": cfg.encoder_attention_heads,
        "hidden_act": cfg.activation_fn,
        "hidden_dropout_prob": cfg.dropout,
        "attention_probs_dropout_prob": cfg.attention_dropout,
        "layer_norm_eps": ours.decoder.layer_norm_eps,
        "type_vocab_size": 1,
        "pad_token_id": ours.decoder.padding_idx,
    }
    encoder = XLMRobertaModel(
        XLMRobertaConfig(
            **size, num_hidden_layers=cfg.encoder_layers, max_position_embeddings=cfg.max_source_positions + 2
        ),
        add_pooling_layer=False,
    )
    config = XLMRobertaConfig(
        **size,
        num_hidden_layers=len(plan),
        max_position_embeddings=cfg.max_target_positions + 2,
        is_decoder=True,
        add_cross_attention=True,
    )
    model = EncoderDecoderModel(encoder=encoder, decoder=XLMRobertaForCausalLM(config))
    decoder = model.decoder
    for layer, planned in zip(decoder.roberta.encoder.layer, plan, strict=True):
        if planned.kind is not LayerKind.NORMAL:
            layer.attention = AttentionThenFFN(layer.attention, config)
    decoder.lm_head = OutputMatrix(config)
    _copy(ours, encoder, decoder)
    return model.eval()


@torch.no_grad()
def _copy(ours: XLMSWCMModel, encoder: XLMRobertaModel, decoder: XLMRobertaForCausalLM) -> None:
    """Copy all weights; raises KeyError if transformers uses other names, RuntimeError if a weight is not copied."""
    names = [ENCODER_LAYER] * len(ours.encoder.layers)
    _copy_stack(ours.encoder, encoder, names)
    names = [NORMAL_LAYER if p.kind is LayerKind.NORMAL else INHERITED_LAYER for p in ours.decoder.plan]
    _copy_stack(ours.decoder, decoder.roberta, names)
    decoder.lm_head.decoder.load_state_dict(ours.decoder.output_projection.state_dict())
    if ours.decoder.embed_tokens is ours.encoder.embed_tokens:
        decoder.set_input_embeddings(encoder.get_input_embeddings())
    if ours.output_weight is ours.decoder.embed_tokens.weight:
        decoder.lm_head.decoder.weight = decoder.get_input_embeddings().weight


def _copy_stack(ours: nn.Module, theirs: XLMRobertaModel, names: list[dict[str, str]]) -> None:
    """Copy the embeddings and layers of an encoder or decoder; ``names`` is the table of names of each layer."""
    pairs = [(f"{one}.", f"embeddings.{other}.") for one, other in EMBEDDINGS.items()]
    for i, table in enumerate(names):
        pairs += [(f"layers.{i}.{one}.", f"encoder.layer.{i}.{other}.") for one, other in table.items()]
    zeros = torch.zeros_like(theirs.embeddings.token_type_embeddings.weight)  # fairseq has no token types
    state = {"embeddings.token_type_embeddings.weight": zeros}
    for name, tensor in ours.state_dict().items():
        for one, other in pairs:
            if name.startswith(one):
                state[other + name.removeprefix(one)] = tensor
    theirs.load_state_dict(state)
