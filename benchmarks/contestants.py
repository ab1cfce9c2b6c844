"""The models that training benchmarks compare, with one set of weights, and the batches that they are given."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.data import Dictionary
from fairseq.models import ARCH_MODEL_REGISTRY
from fairseq.models.transformer import (
    TransformerConfig,
    TransformerDecoderBase,
    TransformerEncoderBase,
    TransformerModelBase,
)
from fairseq.modules import LayerNorm
from fairseq.modules.transformer_layer import TransformerDecoderLayerBase
from torch import Tensor, nn

import swcm_fairseq  # noqa: F401  (registers the architectures)
from swcm_fairseq.criterions.swcm_cross_entropy import SWCMCrossEntropyConfig, SWCMCrossEntropyCriterion
from swcm_fairseq.errors import InputError
from swcm_fairseq.models import XLMSWCMModel
from swcm_fairseq.models.layer_plan import LayerKind
from swcm_fairseq.models.model_config import XLMSWCMConfig

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
LANGUAGE = 4  # the token of the one target language
# DeltaLM calls the FFN after self-attention fc3 and fc4, the one after cross-attention fc1 and fc2.
DELTALM_NAMES = {"fc1": "fc3", "fc2": "fc4", "fc3": "fc1", "fc4": "fc2", "ffn1_layer_norm": "ffn_layer_norm"}

DecoderLayer = Callable[[TransformerConfig], nn.Module]


def add_model_options(parser: argparse.ArgumentParser, vocabulary: int, sentences: int, tokens: int) -> None:
    """The options for the size of model and batch."""
    parser.add_argument("--arch", default="xlm_swcm_small", help="architecture of this package (%(default)s)")
    parser.add_argument("--encoder-layers", type=int, metavar="N", help="other than the architecture's")
    parser.add_argument("--vocabulary", type=int, default=vocabulary, metavar="N", help="symbols (%(default)s)")
    parser.add_argument("--sentences", type=int, default=sentences, metavar="N", help="of a batch (%(default)s)")
    parser.add_argument("--tokens", type=int, default=tokens, metavar="N", help="of a sentence (default: %(default)s)")
    parser.add_argument("--precision", choices=tuple(PRECISIONS), default="fp32", help="of model and optimizer")
    parser.add_argument("--dropout", type=float, default=0.1, metavar="P", help="everywhere (default: %(default)s)")
    parser.add_argument("--label-smoothing", type=float, default=0.0, metavar="E", help="default: 0")


def describe(options: argparse.Namespace) -> str:
    """Model and batch, for the report."""
    layers = f" with {options.encoder_layers} encoder layers" if options.encoder_layers else ""
    return (
        f"{options.arch}{layers}, {options.vocabulary:,} symbols, {options.sentences} x {options.tokens} tokens, "
        f"{options.precision}, dropout {options.dropout}, label smoothing {options.label_smoothing}"
    )


def make_task(vocabulary: int) -> SimpleNamespace:
    """As much of a task as model and criterion need; the one language uses the first quarter of the words."""
    dictionary = Dictionary()
    for i in range(vocabulary - len(dictionary)):
        dictionary.add_symbol(f"w{i}")
    words = torch.arange(vocabulary // 4)
    return SimpleNamespace(
        source_dictionary=dictionary, target_dictionary=dictionary, language_vocabulary=lambda lang_token: words
    )


def make_batch(sentences: int, tokens: int, vocabulary: int, device: str) -> dict[str, Any]:
    """``<s> <xx> words </s>`` on both sides, ``tokens`` positions each, words at random from the first quarter."""
    generator = torch.Generator().manual_seed(0)
    words = torch.randint(LANGUAGE + 1, vocabulary // 4, (2, sentences, tokens + 1), generator=generator)
    words[:, :, 0], words[:, :, 1], words[:, :, -1] = 0, LANGUAGE, 2
    source, target = words.to(device)
    predicted = target[:, 1:].clone()
    predicted[:, 0] = 1  # the language token is given
    return {
        "id": torch.arange(sentences, device=device),
        "nsentences": sentences,
        "ntokens": predicted.numel() - sentences,
        "net_input": {
            "src_tokens": source[:, :tokens].contiguous(),
            "src_lengths": torch.full((sentences,), tokens, device=device),
            "prev_output_tokens": target[:, :tokens].contiguous(),
        },
        "target": predicted,
        "tgt_lang_id": torch.full((sentences,), LANGUAGE, device=device),
    }


def our_config(options: argparse.Namespace, **changes: Any) -> XLMSWCMConfig:
    """The architecture's configuration at the size that the options ask for."""
    config: XLMSWCMConfig = getattr(ARCH_MODEL_REGISTRY[options.arch], "__dataclass")()
    config.encoder_layers = options.encoder_layers or config.encoder_layers
    config.max_source_positions = config.max_target_positions = options.tokens
    config.dropout = config.attention_dropout = options.dropout
    for name, value in changes.items():
        setattr(config, name, value)
    return config


def our_model(options: argparse.Namespace, task: SimpleNamespace, **changes: Any) -> XLMSWCMModel:
    """Our model; its weights depend on nothing but its size."""
    torch.manual_seed(0)
    model = XLMSWCMModel.from_config(our_config(options, **changes), task.target_dictionary)
    model.set_num_updates(1)
    return model


def our_criterion(options: argparse.Namespace, task: SimpleNamespace, **changes: Any) -> SWCMCrossEntropyCriterion:
    """Our criterion."""
    settings = {"label_smoothing": options.label_smoothing, "sentence_avg": False, "seed": 1, **changes}
    return SWCMCrossEntropyCriterion(SWCMCrossEntropyConfig(**settings), task)


def stock_criterion(options: argparse.Namespace, task: SimpleNamespace) -> LabelSmoothedCrossEntropyCriterion:
    """fairseq's criterion."""
    return LabelSmoothedCrossEntropyCriterion(task, sentence_avg=False, label_smoothing=options.label_smoothing)


class StockInheritedLayer(TransformerDecoderLayerBase):
    """The inherited decoder layer of fairseq's own modules, under the names of ours."""

    def __init__(self, cfg: TransformerConfig):
        super().__init__(cfg)
        self.ffn1_layer_norm = LayerNorm(self.embed_dim)
        self.fc3 = nn.Linear(self.embed_dim, cfg.decoder.ffn_embed_dim)
        self.fc4 = nn.Linear(cfg.decoder.ffn_embed_dim, self.embed_dim)

    def forward(
        self, x: Tensor, encoder_out: Tensor, source_padding: Tensor | None, incremental_state: None, **masks: Any
    ) -> tuple[Tensor, Tensor | None, None]:
        """As ours: self-attention -> FFN1 -> cross-attention -> FFN2."""
        mask, padding = masks["self_attn_mask"], masks["self_attn_padding_mask"]
        attended, _ = self.self_attn(x, x, x, key_padding_mask=padding, need_weights=False, attn_mask=mask)
        x = self.self_attn_layer_norm(x + self.dropout_module(attended))
        x = self.ffn1_layer_norm(x + self.dropout_module(self.fc2(self.activation_fn(self.fc1(x)))))
        attended, weights = self.encoder_attn(
            x, encoder_out, encoder_out, source_padding, static_kv=True, need_weights=masks["need_attn"]
        )
        x = self.encoder_attn_layer_norm(x + self.dropout_module(attended))
        x = self.final_layer_norm(x + self.dropout_module(self.fc4(self.activation_fn(self.fc3(x)))))
        return x, weights, None


def stock_model(
    options: argparse.Namespace, task: SimpleNamespace, inherited: DecoderLayer = StockInheritedLayer
) -> TransformerModelBase:
    """Our model's layers in our order, of fairseq's own modules; inherited ones are made by ``inherited``."""
    config = our_config(options)
    cfg, plan = config.transformer_config(), config.layer_plan()
    kinds = iter(plan)

    class Decoder(TransformerDecoderBase):
        def build_decoder_layer(self, cfg: TransformerConfig, no_encoder_attn: bool = False) -> nn.Module:
            normal = next(kinds).kind is LayerKind.NORMAL
            return TransformerDecoderLayerBase(cfg) if normal else inherited(cfg)

    embeddings = nn.Embedding(options.vocabulary, config.encoder_embed_dim, task.target_dictionary.pad())
    encoder = TransformerEncoderBase(cfg, task.source_dictionary, embeddings)
    return TransformerModelBase(cfg, encoder, Decoder(cfg, task.target_dictionary, embeddings))


def deltalm_layer(directory: Path) -> DecoderLayer:
    """DeltaLM's decoder layer, from the ``deltalm`` directory of github.com/microsoft/unilm.

    Raises:
        InputError: it is not there.
    """
    if not (directory / "deltalm" / "models" / "deltalm.py").is_file():
        raise InputError(f"--deltalm {directory}: no deltalm/models/deltalm.py; give unilm's directory deltalm")
    sys.path.insert(0, str(directory))
    from deltalm.models.deltalm import DeltaLMDecoderLayer

    return DeltaLMDecoderLayer


def copy_weights(ours: XLMSWCMModel, theirs: nn.Module, names: dict[str, str]) -> None:
    """Give ``theirs`` the weights of ``ours``; ``names`` renames parts of a decoder layer's parameters."""
    state = {}
    for name, tensor in ours.state_dict().items():
        parts = name.split(".")
        if parts[:2] == ["decoder", "layers"]:
            is_inherited = f"decoder.layers.{parts[2]}.fc3.weight" in ours.state_dict()
            parts[3] = names.get(parts[3], parts[3]) if is_inherited else parts[3]
        if parts[-1] != "_extra_state":
            state[".".join(parts)] = tensor
    theirs.load_state_dict(state)


def huggingface_model(options: argparse.Namespace) -> nn.Module:
    """EncoderDecoderModel of XLM-R layers, as many as ours on both sides, with embeddings shared like ours."""
    from transformers import EncoderDecoderConfig, EncoderDecoderModel, XLMRobertaConfig

    config = our_config(options)
    size = {
        "vocab_size": options.vocabulary,
        "hidden_size": config.encoder_embed_dim,
        "intermediate_size": config.encoder_ffn_embed_dim,
        "num_attention_heads": config.encoder_attention_heads,
        "max_position_embeddings": options.tokens + 2,
        "hidden_dropout_prob": options.dropout,
        "attention_probs_dropout_prob": options.dropout,
        "type_vocab_size": 1,
    }
    encoder = XLMRobertaConfig(**size, num_hidden_layers=config.encoder_layers)
    decoder = XLMRobertaConfig(**size, num_hidden_layers=len(config.layer_plan()))
    both = EncoderDecoderConfig.from_encoder_decoder_configs(encoder, decoder, pad_token_id=1)
    model = EncoderDecoderModel(config=both)
    model.decoder.set_input_embeddings(model.encoder.get_input_embeddings())
    model.decoder.tie_weights()
    return model


def huggingface_criterion(model: nn.Module, sample: dict[str, Any]) -> tuple[Tensor, int, dict[str, Any]]:
    """EncoderDecoderModel's own loss, as a sum like that of fairseq's criterions."""
    tokens, target = sample["net_input"]["src_tokens"], sample["target"]
    labels = target.masked_fill(target.eq(1), -100)
    out = model(
        input_ids=tokens,
        attention_mask=tokens.ne(1),
        decoder_input_ids=sample["net_input"]["prev_output_tokens"],
        labels=labels,
    )
    loss = out.loss * sample["ntokens"]
    return loss, sample["ntokens"], {"loss": loss.detach()}
