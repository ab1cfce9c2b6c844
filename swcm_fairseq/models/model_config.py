"""The model's options: one flat dataclass with fairseq's flag names, and the named sizes."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Optional, TypeVar

import torch
from fairseq import utils
from fairseq.dataclass import ChoiceEnum
from fairseq.models.transformer.transformer_config import (
    DecoderConfig,
    EncDecBaseConfig,
    QuantNoiseConfig,
    TransformerConfig,
)
from omegaconf import II

from swcm_fairseq.compilation import compile_problem
from swcm_fairseq.errors import InputError
from swcm_fairseq.models.layer_plan import PlannedLayer, layer_plan
from swcm_fairseq.models.run_rules import GradientUse, run_rules
from swcm_fairseq.options import flag, option
from swcm_fairseq.run_options import RunOptions

Layer = TypeVar("Layer")
DecoderEnd = ChoiceEnum(["inserted", "inherited"])
OutputMatrix = ChoiceEnum(["tied", "own"])
Activation = ChoiceEnum(utils.get_available_activation_fns())


def _kept(layers: list[Layer], keep: str | None, name: str) -> list[Layer]:
    """The layers that ``keep`` ("0,2,5") names, in their own order, as fairseq prunes state dicts."""
    if keep is None:
        return layers
    try:
        kept = sorted({int(number) for number in keep.split(",")})
    except ValueError:
        kept = [-1]
    if not 0 <= kept[0] <= kept[-1] < len(layers):
        raise InputError(f"{name} {keep}: give layer numbers from 0 to {len(layers) - 1}, such as 0,2")
    return [layers[number] for number in kept]


@dataclass
class XLMSWCMConfig(RunOptions):
    """Options of the model; the defaults are those of the paper's base model (sections 3.1.2 and 4.1, Appendix B)."""

    # start
    pretrained_encoder: Optional[str] = option(
        None,
        "start from this encoder: a Hugging Face directory (xlm-roberta, roberta, bert), a fairseq "
        "masked_lm/RoBERTa/XLM-R checkpoint with its dict.txt, or a checkpoint of this model. Read only when "
        "training starts from scratch. Default: random weights",
    )
    pretrained_decoder: bool = option(
        False, "take the decoder, too, from the checkpoint of this model that --pretrained-encoder names"
    )
    new_rows_from_pieces: bool = option(
        False,
        "embedding rows of pieces that the encoder does not know start as the mean of the pieces that its own "
        "vocabulary splits them into. Default: drawn from normal(0, 0.02)",
    )
    random_inherited_layers: bool = option(
        False, "inherited decoder layers start at random (the paper's ablation 'no weight sharing', section 5)"
    )

    # decoder layers
    normal_layer_interval: int = option(
        3, "X: one more layer after every X inherited ones, 0 to the number of encoder layers (Figure 4; 0 is BASE-A)"
    )
    duplicate_inserted_layers: bool = option(
        False,
        "the inserted layers duplicate the layer before them instead of being normal ones (BASE-B): they start as its "
        "copies and then learn on their own",
    )
    tie_duplicates: bool = option(
        False,
        "with --duplicate-inserted-layers: each duplicate stays tied to the layer before it during training (BASE-B, "
        "read as 'identical weights across consecutive layers')",
    )
    decoder_ends_with: DecoderEnd = option(  # type: ignore[valid-type]
        "inserted", "what follows the last group: an inserted layer, or nothing (inherited: the authors' released code)"
    )
    plain_decoder: bool = option(
        False, "a decoder of as many standard random layers as the encoder has (Cino-Transformer)"
    )
    tie_self_attention: bool = option(
        False, "self-attention of inherited decoder layers stays tied to the encoder's during training"
    )
    tie_ffn: bool = option(
        False, "both FFNs of inherited decoder layers stay tied to the encoder's FFN during training"
    )
    separate_embeddings: bool = option(
        False, "token embeddings of the decoder are a copy of the encoder's. Default: shared"
    )
    output_matrix: OutputMatrix = option(  # type: ignore[valid-type]
        "tied", "the output matrix is tied to the decoder's token embeddings, or its own (started as a copy of them)"
    )

    # size
    encoder_layers: int = option(12, "number of encoder layers")
    encoder_embed_dim: int = option(768, "hidden size of encoder and decoder")
    encoder_ffn_embed_dim: int = option(3072, "inner size of all FFNs")
    encoder_attention_heads: int = option(12, "attention heads of encoder and decoder")
    max_source_positions: int = option(512, "longest source, in tokens; at most as many as the encoder has")
    max_target_positions: int = option(256, "longest target, in tokens; at most as many as the encoder has")
    activation_fn: Activation = option(  # type: ignore[valid-type]
        "gelu", "activation of all FFNs; it must be the encoder's"
    )

    # training
    dropout: float = option(0.1, "dropout probability")
    attention_dropout: float = option(0.1, "dropout probability of attention weights")
    activation_dropout: float = option(0.0, "dropout probability after the activation in FFNs")
    freeze_encoder_updates: int = option(
        0,
        "no gradient through the encoder for the first N updates (SixT, Chen et al. 2021); embeddings that the decoder "
        "shares still learn from it unless they are frozen, too",
    )
    freeze_embeddings_updates: int = option(
        0, "no gradient to embeddings, nor to an output matrix that is tied to them, for the first N updates"
    )
    encoder_layerdrop: float = option(0.0, "probability of leaving out an encoder layer (Fan et al. 2020)")
    decoder_layerdrop: float = option(0.0, "probability of leaving out a decoder layer (Fan et al. 2020)")
    encoder_layers_to_keep: Optional[str] = option(
        None, "prune a trained checkpoint to these encoder layers, such as 0,2,5 (LayerDrop; in --model-overrides)"
    )
    decoder_layers_to_keep: Optional[str] = option(None, "the same for decoder layers; give both or none")
    checkpoint_activations: bool = option(
        False, "recompute activations in the backward pass: less memory, more computation"
    )
    offload_activations: bool = option(False, "keep checkpointed activations in CPU memory")
    compile_layers: bool = option(
        False,
        "compile encoder and decoder layers with torch.compile, for any shape; needs a compiler, in training only",
    )

    # The optimizer's; None: one whose weight decay is unknown.
    weight_decay: Optional[float] = II("oc.select:optimizer.weight_decay,null")

    def check(self) -> None:
        """Refuse options that cannot work, or not together.

        Raises:
            InputError: one line for the first of them.
        """
        for refused, message in self._rules():
            if refused:
                raise InputError(message)

    def _rules(self) -> Iterator[tuple[bool, str]]:
        """Each rule: whether it is broken, and what to say then."""
        tied = self.tie_self_attention or self.tie_ffn
        heads, width = self.encoder_attention_heads, self.encoder_embed_dim
        for name in ("encoder_layers", "encoder_embed_dim", "encoder_ffn_embed_dim", "encoder_attention_heads"):
            yield getattr(self, name) < 1, f"{flag(name)} must be at least 1"
        yield width % max(heads, 1) != 0, f"--encoder-embed-dim {width} is not a multiple of {heads} attention heads"
        for name in ("max_source_positions", "max_target_positions"):
            yield getattr(self, name) < 1, f"{flag(name)} must be at least 1"
        for name in ("dropout", "attention_dropout", "activation_dropout", "encoder_layerdrop", "decoder_layerdrop"):
            yield not 0 <= getattr(self, name) < 1, f"{flag(name)} is a probability: 0 <= p < 1"
        for name in ("freeze_encoder_updates", "freeze_embeddings_updates"):
            yield getattr(self, name) < 0, f"{flag(name)} counts updates: give 0 or more"
        for name in ("duplicate_inserted_layers", "random_inherited_layers", "tie_self_attention", "tie_ffn"):
            yield self.plain_decoder and getattr(self, name), f"--plain-decoder has no layers for {flag(name)}"
        yield (
            self.tie_duplicates and not self.duplicate_inserted_layers,
            "--tie-duplicates ties what --duplicate-inserted-layers inserts; give both",
        )
        yield (
            tied and self.random_inherited_layers,
            "--random-inherited-layers starts at random what --tie-self-attention and --tie-ffn keep equal; choose one",
        )
        yield (
            tied and self.freeze_encoder_updates > 0,
            "--freeze-encoder-updates cannot freeze what the decoder shares by --tie-self-attention or --tie-ffn",
        )
        yield (
            self.pretrained_decoder and self.pretrained_encoder is None,
            "--pretrained-decoder needs --pretrained-encoder, the checkpoint that both come from",
        )
        yield (
            (self.encoder_layers_to_keep is None) != (self.decoder_layers_to_keep is None),
            "give --encoder-layers-to-keep and --decoder-layers-to-keep together: fairseq drops the other's layers",
        )
        on_gpu = torch.cuda.is_available() and self.cpu is not True
        problem = compile_problem("cuda" if on_gpu else "cpu") if self.compile_layers else ""
        yield bool(problem), f"--compile-layers: {problem}; install it, or leave the option out"
        yield from run_rules(self, self._gradient_use())

    def _gradient_use(self) -> GradientUse:
        return GradientUse(
            frozen=self.freeze_encoder_updates > 0 or self.freeze_embeddings_updates > 0,
            dropped=self.encoder_layerdrop > 0 or self.decoder_layerdrop > 0,
            shared=self.tie_self_attention or self.tie_ffn or self.tie_duplicates,
            recomputed=self.checkpoint_activations,
            weight_decay=self.weight_decay,
        )

    @property
    def pruned(self) -> bool:
        """Whether only some layers of a checkpoint are taken."""
        return self.encoder_layers_to_keep is not None or self.decoder_layers_to_keep is not None

    def layer_plan(self) -> list[PlannedLayer]:
        """The decoder's layers."""
        plan = layer_plan(
            self.encoder_layers,
            self.normal_layer_interval,
            end_with_inherited=self.decoder_ends_with == "inherited",
            duplicate_inserted=self.duplicate_inserted_layers,
            plain=self.plain_decoder,
        )
        return _kept(plan, self.decoder_layers_to_keep, "--decoder-layers-to-keep")

    def transformer_config(self) -> TransformerConfig:
        """The same for fairseq's encoder and decoder classes."""
        layer = {
            "embed_dim": self.encoder_embed_dim,
            "ffn_embed_dim": self.encoder_ffn_embed_dim,
            "attention_heads": self.encoder_attention_heads,
            "learned_pos": True,
        }
        encoder_layers = _kept(
            list(range(self.encoder_layers)), self.encoder_layers_to_keep, "--encoder-layers-to-keep"
        )
        return TransformerConfig(
            encoder=EncDecBaseConfig(layers=len(encoder_layers), layerdrop=self.encoder_layerdrop, **layer),
            decoder=DecoderConfig(layers=len(self.layer_plan()), layerdrop=self.decoder_layerdrop, **layer),
            quant_noise=QuantNoiseConfig(),
            activation_fn=self.activation_fn,
            dropout=self.dropout,
            attention_dropout=self.attention_dropout,
            activation_dropout=self.activation_dropout,
            max_source_positions=self.max_source_positions,
            max_target_positions=self.max_target_positions,
            share_decoder_input_output_embed=self.output_matrix == "tied",
            layernorm_embedding=True,
            no_scale_embedding=True,
            checkpoint_activations=self.checkpoint_activations or self.offload_activations,
            offload_activations=self.offload_activations,
        )


BASE = {each.name: each for each in fields(XLMSWCMConfig)}


def with_default(name: str, default: Any) -> Any:
    """The field ``name`` of the base model's configuration with another default."""
    return option(default, **BASE[name].metadata)


@dataclass
class TinyConfig(XLMSWCMConfig):
    """For tests and demonstrations."""

    encoder_layers: int = with_default("encoder_layers", 4)
    encoder_embed_dim: int = with_default("encoder_embed_dim", 64)
    encoder_ffn_embed_dim: int = with_default("encoder_ffn_embed_dim", 256)
    encoder_attention_heads: int = with_default("encoder_attention_heads", 4)


@dataclass
class SmallConfig(XLMSWCMConfig):
    """The size of multilingual-e5-small."""

    encoder_embed_dim: int = with_default("encoder_embed_dim", 384)
    encoder_ffn_embed_dim: int = with_default("encoder_ffn_embed_dim", 1536)


@dataclass
class LargeConfig(XLMSWCMConfig):
    """The size of XLM-R large."""

    encoder_layers: int = with_default("encoder_layers", 24)
    encoder_embed_dim: int = with_default("encoder_embed_dim", 1024)
    encoder_ffn_embed_dim: int = with_default("encoder_ffn_embed_dim", 4096)
    encoder_attention_heads: int = with_default("encoder_attention_heads", 16)


@dataclass
class ReleasedConfig(XLMSWCMConfig):
    """The layout of the authors' released code: 15 decoder layers and an output matrix of its own."""

    decoder_ends_with: DecoderEnd = with_default("decoder_ends_with", "inherited")  # type: ignore[valid-type]
    output_matrix: OutputMatrix = with_default("output_matrix", "own")  # type: ignore[valid-type]
