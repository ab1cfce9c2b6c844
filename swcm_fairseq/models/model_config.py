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
    """The layers listed in ``keep`` ("0,2,5"), in their original order, as when fairseq prunes state dicts."""
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
        False, "also take the decoder from --pretrained-encoder, which must be a checkpoint of this model"
    )
    new_rows_from_pieces: bool = option(
        False,
        "initialize the embedding of a piece that the encoder does not know with the mean embedding of the pieces "
        "that the encoder's vocabulary splits it into. Default: draw it from normal(0, 0.02)",
    )
    random_inherited_layers: bool = option(
        False,
        "initialize inherited decoder layers at random (the paper's ablation 'no weight sharing', section 5)",
    )

    # decoder layers
    normal_layer_interval: int = option(
        3,
        "X: insert one layer after every X inherited layers; 0 (none, BASE-A) to the number of encoder layers "
        "(Figure 4)",
    )
    duplicate_inserted_layers: bool = option(
        False,
        "insert duplicates of the preceding layer instead of normal layers (BASE-B); they start as copies and are "
        "then trained independently",
    )
    tie_duplicates: bool = option(
        False,
        "with --duplicate-inserted-layers, keep each duplicate tied to the preceding layer during training (BASE-B, "
        "read as 'identical weights across consecutive layers')",
    )
    decoder_ends_with: DecoderEnd = option(  # type: ignore[valid-type]
        "inserted", "last decoder layer: an inserted one, or an inherited one (the authors' released code)"
    )
    plain_decoder: bool = option(
        False, "use standard, randomly initialized decoder layers, as many as encoder layers (Cino-Transformer)"
    )
    tie_self_attention: bool = option(
        False, "keep self-attention in inherited decoder layers tied to the encoder's during training"
    )
    tie_ffn: bool = option(
        False, "keep both FFNs in inherited decoder layers tied to the encoder's FFN during training"
    )
    separate_embeddings: bool = option(
        False, "give the decoder a copy of the encoder's token embeddings. Default: share them"
    )
    output_matrix: OutputMatrix = option(  # type: ignore[valid-type]
        "tied", "tie the output matrix to the decoder's token embeddings, or give the decoder its own, initially a copy"
    )

    # size
    encoder_layers: int = option(12, "number of encoder layers")
    encoder_embed_dim: int = option(768, "hidden size of encoder and decoder")
    encoder_ffn_embed_dim: int = option(3072, "inner size of all FFNs")
    encoder_attention_heads: int = option(12, "attention heads of encoder and decoder")
    max_source_positions: int = option(512, "maximum source length in tokens, at most that of the encoder")
    max_target_positions: int = option(256, "maximum target length in tokens, at most that of the encoder")
    activation_fn: Activation = option(  # type: ignore[valid-type]
        "gelu", "activation function of all FFNs; must be that of the encoder"
    )

    # training
    dropout: float = option(0.1, "dropout probability")
    attention_dropout: float = option(0.1, "dropout probability of attention weights")
    activation_dropout: float = option(0.0, "dropout probability after the activation in FFNs")
    freeze_encoder_updates: int = option(
        0,
        "freeze the encoder for the first N updates (SixT, Chen et al. 2021); embeddings shared with the decoder are "
        "still trained through it unless they are also frozen",
    )
    freeze_embeddings_updates: int = option(
        0, "freeze the embeddings, and an output matrix that is tied to them, for the first N updates"
    )
    encoder_layerdrop: float = option(0.0, "probability of dropping an encoder layer (Fan et al. 2020)")
    decoder_layerdrop: float = option(0.0, "probability of dropping a decoder layer (Fan et al. 2020)")
    encoder_layers_to_keep: Optional[str] = option(
        None, "prune a trained checkpoint to these encoder layers, such as 0,2,5 (LayerDrop; in --model-overrides)"
    )
    decoder_layers_to_keep: Optional[str] = option(
        None, "prune a trained checkpoint to these decoder layers; needs --encoder-layers-to-keep"
    )
    checkpoint_activations: bool = option(
        False, "recompute activations in the backward pass to save memory at the cost of computation"
    )
    offload_activations: bool = option(False, "keep checkpointed activations in CPU memory")
    compile_layers: bool = option(
        False,
        "compile encoder and decoder layers with torch.compile, for any shape (training only); needs a compiler",
    )

    # The weight decay of the optimizer; None if unknown.
    weight_decay: Optional[float] = II("oc.select:optimizer.weight_decay,null")

    def check(self) -> None:
        """Refuse options that are invalid or do not work together.

        Raises:
            InputError: an option is invalid; the message describes the first problem.
        """
        for refused, message in self._rules():
            if refused:
                raise InputError(message)

    def _rules(self) -> Iterator[tuple[bool, str]]:
        """For each rule, whether it is broken, and the message for that case."""
        tied = self.tie_self_attention or self.tie_ffn
        heads, width = self.encoder_attention_heads, self.encoder_embed_dim
        for name in ("encoder_layers", "encoder_embed_dim", "encoder_ffn_embed_dim", "encoder_attention_heads"):
            yield getattr(self, name) < 1, f"{flag(name)} must be at least 1"
        yield width % max(heads, 1) != 0, f"--encoder-embed-dim {width} is not a multiple of {heads} attention heads"
        for name in ("max_source_positions", "max_target_positions"):
            yield getattr(self, name) < 1, f"{flag(name)} must be at least 1"
        for name in ("dropout", "attention_dropout", "activation_dropout", "encoder_layerdrop", "decoder_layerdrop"):
            yield not 0 <= getattr(self, name) < 1, f"{flag(name)} is a probability: give a number from 0 to below 1"
        for name in ("freeze_encoder_updates", "freeze_embeddings_updates"):
            yield getattr(self, name) < 0, f"{flag(name)} must be at least 0"
        for name in ("duplicate_inserted_layers", "random_inherited_layers", "tie_self_attention", "tie_ffn"):
            yield (
                self.plain_decoder and getattr(self, name),
                f"--plain-decoder has no layers for {flag(name)}; remove one of the two",
            )
        yield (
            self.tie_duplicates and not self.duplicate_inserted_layers,
            "--tie-duplicates needs --duplicate-inserted-layers",
        )
        yield (
            tied and self.random_inherited_layers,
            "--random-inherited-layers conflicts with --tie-self-attention and --tie-ffn, which tie these layers to "
            "the encoder; choose one",
        )
        yield (
            tied and self.freeze_encoder_updates > 0,
            "--freeze-encoder-updates cannot freeze parameters that the decoder shares through --tie-self-attention or "
            "--tie-ffn; choose one",
        )
        yield (
            self.pretrained_decoder and self.pretrained_encoder is None,
            "--pretrained-decoder needs --pretrained-encoder, the checkpoint that both are loaded from",
        )
        yield (
            (self.encoder_layers_to_keep is None) != (self.decoder_layers_to_keep is None),
            "give --encoder-layers-to-keep and --decoder-layers-to-keep together: with only one, fairseq drops all "
            "layers of the other half",
        )
        on_gpu = torch.cuda.is_available() and self.cpu is not True
        problem = compile_problem("cuda" if on_gpu else "cpu") if self.compile_layers else ""
        yield bool(problem), f"--compile-layers: {problem}; install it or remove the option"
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
        """Whether only some layers of a checkpoint are used."""
        return self.encoder_layers_to_keep is not None or self.decoder_layers_to_keep is not None

    def layer_plan(self) -> list[PlannedLayer]:
        """The decoder layers."""
        plan = layer_plan(
            self.encoder_layers,
            self.normal_layer_interval,
            end_with_inherited=self.decoder_ends_with == "inherited",
            duplicate_inserted=self.duplicate_inserted_layers,
            plain=self.plain_decoder,
        )
        return _kept(plan, self.decoder_layers_to_keep, "--decoder-layers-to-keep")

    def transformer_config(self) -> TransformerConfig:
        """These options as the configuration of fairseq's encoder and decoder classes."""
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
    """The field ``name`` of the base model's configuration, with a different default."""
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
    """The layout of the authors' released code: 15 decoder layers and a separate output matrix."""

    decoder_ends_with: DecoderEnd = with_default("decoder_ends_with", "inherited")  # type: ignore[valid-type]
    output_matrix: OutputMatrix = with_default("output_matrix", "own")  # type: ignore[valid-type]
