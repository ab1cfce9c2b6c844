"""The models that the training benchmarks compare, all with the same weights, and the batches that they read."""

import argparse
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import measure
import torch
from fairseq import utils
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
from swcm_fairseq.criterions import linear_cross_entropy
from swcm_fairseq.criterions.swcm_cross_entropy import SWCMCrossEntropyConfig, SWCMCrossEntropyCriterion
from swcm_fairseq.data.sample import BatchFacts, Sample
from swcm_fairseq.errors import InputError
from swcm_fairseq.models import XLMSWCMModel
from swcm_fairseq.models.layer_plan import LayerKind
from swcm_fairseq.models.model_config import XLMSWCMConfig

PRECISIONS = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PAD = 1
LANGUAGE = 4  # the token of the only target language
# DeltaLM calls the FFN after self-attention fc3 and fc4, the one after cross-attention fc1 and fc2.
DELTALM_NAMES = {"fc1": "fc3", "fc2": "fc4", "fc3": "fc1", "fc4": "fc2", "ffn1_layer_norm": "ffn_layer_norm"}

DecoderLayer = Callable[[TransformerConfig], nn.Module]


def add_model_options(parser: argparse.ArgumentParser, vocabulary: int, sentences: int, tokens: int) -> None:
    """Add the options for the sizes of the model and the batch."""
    parser.add_argument("--arch", default="xlm_swcm_small", help="architecture of this package (default: %(default)s)")
    parser.add_argument(
        "--encoder-layers", type=int, metavar="N", help="number of encoder layers (default: the architecture's)"
    )
    measure.add_numbers(
        parser,
        f"""
        vocabulary  {vocabulary}  number of symbols
        sentences   {sentences}  sentences per batch
        tokens      {tokens}  tokens per sentence
        """,
    )
    parser.add_argument(
        "--precision",
        choices=tuple(PRECISIONS),
        default="fp32",
        help="precision of model and optimizer (default: fp32)",
    )
    for name, default, metavar, text in (
        ("dropout", 0.1, "P", "dropout everywhere"),
        ("label-smoothing", 0.0, "E", "label smoothing"),
        ("padding", 0.0, "SHARE", "share of positions that are padding"),
    ):
        parser.add_argument(f"--{name}", type=float, default=default, metavar=metavar, help=f"{text} (%(default)s)")
    parser.add_argument(
        "--chunk-rows", type=int, metavar="N", help="rows of our logits computed at a time (default: the criterion's)"
    )
    parser.add_argument(
        "--alignment", type=int, metavar="N", help="alignment of the rows of our logits, in elements (default: 64)"
    )


def check_model_options(options: argparse.Namespace) -> None:
    """Check the numbers, and set the alignment of the rows of logits.

    Raises:
        InputError: a number is out of range.
    """
    for name in ("chunk_rows", "alignment"):
        value = getattr(options, name)
        if value is not None and value < 1:
            raise InputError(f"--{name.replace('_', '-')} {value}: give 1 or more")
    if not 0 <= options.padding < 0.5:
        raise InputError(f"--padding {options.padding}: give a share from 0 to below 0.5")
    if options.alignment is not None:
        linear_cross_entropy.ALIGNMENT = options.alignment


def without(peer: str, package: str, install: str, elsewhere: str = "") -> list[str]:
    """A line for the report if a peer cannot take part, otherwise none.

    Args:
        peer: the name of the peer.
        package: the package that it needs.
        install: what to give to ``pip install``.
        elsewhere: another reason why it cannot take part; "" if there is none.
    """
    if elsewhere:
        return [f"without {peer}: {elsewhere}"]
    if importlib.util.find_spec(package) is None:
        return [f"without {peer}: {package} is not installed (pip install {install})"]
    return []


def without_huggingface() -> list[str]:
    """:func:`without` for Hugging Face."""
    return without("Hugging Face", "transformers", "'.[benchmarks]'")


def describe(options: argparse.Namespace) -> str:
    """A description of model and batch, for the report."""
    layers = f" with {options.encoder_layers} encoder layers" if options.encoder_layers else ""
    return (
        f"{options.arch}{layers}, {options.vocabulary:,} symbols, {options.sentences} x {options.tokens} tokens, "
        f"{options.padding:.0%} padding, {options.precision}, dropout {options.dropout}, "
        f"label smoothing {options.label_smoothing}"
    )


def settings(options: argparse.Namespace, more: str = "") -> list[str]:
    """What was measured and how often, for the report."""
    return [describe(options) + more, measure.describe_rounds(options)]


def plain_step(model: nn.Module, criterion: Any, sample: Any) -> tuple[Callable[[], None], list[dict[str, Any]]]:
    """A function that runs one step with AdamW, and the list of the logging outputs of its criterion."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-6, fused=True)
    logs: list[dict[str, Any]] = []

    def step() -> None:
        optimizer.zero_grad()
        loss, _, log = criterion(model, sample)
        loss.backward()
        optimizer.step()
        logs.append(log)

    return step, logs


def make_task(vocabulary: int) -> SimpleNamespace:
    """The parts of a task that model and criterion need; its one language uses the first quarter of the words."""
    dictionary = Dictionary()
    for i in range(vocabulary - len(dictionary)):
        dictionary.add_symbol(f"w{i}")
    words = torch.arange(vocabulary // 4)
    return SimpleNamespace(
        source_dictionary=dictionary, target_dictionary=dictionary, language_vocabulary=lambda lang_token: words
    )


def make_batch(
    sentences: int, tokens: int, vocabulary: int, device: str, padding: float = 0.0, facts: bool = False
) -> dict[str, Any]:
    """``<s> <xx> words </s>`` on both sides, with at most ``tokens`` positions each; words are from the first quarter.

    Words are random. Lengths are spread evenly so that ``padding`` is the share of positions that are padding. With
    ``facts``, the batch has the facts that the task adds to its batches, which only our model reads.
    """
    generator = torch.Generator().manual_seed(0)
    words = torch.randint(LANGUAGE + 1, vocabulary // 4, (2, sentences, tokens + 1), generator=generator)
    words[:, :, 0], words[:, :, 1], words[:, :, -1] = 0, LANGUAGE, 2
    shortest = max(4, round(tokens * (1 - 2 * padding)))
    lengths = torch.linspace(tokens, shortest, sentences).round().long()  # positions that are not padding
    places = torch.arange(tokens + 1)
    for side, shift in ((0, 0), (1, 1)):  # both sides start with the longest sentence
        end = lengths[:, None] - 1 + shift
        words[side] = torch.where(places == end, 2, words[side]).masked_fill(places > end, 1)
    source, target = words
    source = source[:, :tokens]
    predicted = target[:, 1:].clone()
    predicted[:, 0] = 1  # the language token is given
    previous = target[:, :tokens].masked_fill(places[:tokens] >= lengths[:, None], 1)
    batch: Sample = {
        "id": torch.arange(sentences),
        "nsentences": sentences,
        "ntokens": int(predicted.ne(1).sum()),
        "net_input": {
            "src_tokens": source.contiguous(),
            "src_lengths": lengths,
            "prev_output_tokens": previous.contiguous(),
        },
        "target": predicted,
        "tgt_lang_id": torch.full((sentences,), LANGUAGE),
    }
    known = {"facts": BatchFacts.of(batch, 1)} if facts else {}
    return {**utils.apply_to_sample(lambda tensor: tensor.to(device), batch), **known}


def our_config(options: argparse.Namespace, **changes: Any) -> XLMSWCMConfig:
    """The architecture's configuration at the size that the options request."""
    config: XLMSWCMConfig = getattr(ARCH_MODEL_REGISTRY[options.arch], "__dataclass")()
    config.encoder_layers = options.encoder_layers or config.encoder_layers
    config.max_source_positions = config.max_target_positions = options.tokens
    config.dropout = config.attention_dropout = options.dropout
    for name, value in changes.items():
        setattr(config, name, value)
    return config


def our_model(options: argparse.Namespace, task: SimpleNamespace, **changes: Any) -> XLMSWCMModel:
    """Our model; its weights depend only on its size."""
    torch.manual_seed(0)
    model = XLMSWCMModel.from_config(our_config(options, **changes), task.target_dictionary)
    model.set_num_updates(1)
    return model


def our_criterion(options: argparse.Namespace, task: SimpleNamespace, **changes: Any) -> SWCMCrossEntropyCriterion:
    """Our criterion."""
    settings = {"label_smoothing": options.label_smoothing, "sentence_avg": False, "seed": 1, **changes}
    if options.chunk_rows:
        settings["logits_memory"] = options.chunk_rows * 4 * options.vocabulary / 2**20
    return SWCMCrossEntropyCriterion(SWCMCrossEntropyConfig(**settings), task)


def stock_criterion(options: argparse.Namespace, task: SimpleNamespace) -> LabelSmoothedCrossEntropyCriterion:
    """fairseq's criterion."""
    return LabelSmoothedCrossEntropyCriterion(task, sentence_avg=False, label_smoothing=options.label_smoothing)


class StockInheritedLayer(TransformerDecoderLayerBase):
    """The inherited decoder layer built from fairseq's own modules, with our parameter names."""

    def __init__(self, cfg: TransformerConfig):
        super().__init__(cfg)
        self.ffn1_layer_norm = LayerNorm(self.embed_dim)
        self.fc3 = nn.Linear(self.embed_dim, cfg.decoder.ffn_embed_dim)
        self.fc4 = nn.Linear(cfg.decoder.ffn_embed_dim, self.embed_dim)

    def forward(
        self, x: Tensor, encoder_out: Tensor, source_padding: Tensor | None, incremental_state: None, **masks: Any
    ) -> tuple[Tensor, Tensor | None, None]:
        """The same order as in our layer: self-attention -> FFN1 -> cross-attention -> FFN2."""
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
    """The layers of our model in the same order, from fairseq's modules; ``inherited`` builds inherited layers."""
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
        InputError: the directory does not exist.
    """
    if not (directory / "deltalm" / "models" / "deltalm.py").is_file():
        raise InputError(
            f"--deltalm {directory}: has no deltalm/models/deltalm.py; give the directory deltalm of unilm"
        )
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


def huggingface_inputs(sample: dict[str, Any]) -> dict[str, Any]:
    """The inputs of EncoderDecoderModel for a batch."""
    tokens = sample["net_input"]["src_tokens"]
    return {
        "input_ids": tokens,
        "attention_mask": tokens.ne(PAD),
        "decoder_input_ids": sample["net_input"]["prev_output_tokens"],
        # Otherwise, it stores keys and values even in training, and every layer is compiled separately.
        "use_cache": False,
    }


def huggingface_criterion(model: nn.Module, sample: dict[str, Any]) -> tuple[Tensor, int, dict[str, Any]]:
    """The loss of EncoderDecoderModel, summed over words as in fairseq's criterions."""
    target = sample["target"]
    labels = target.masked_fill(target.eq(PAD), -100)
    loss = model(**huggingface_inputs(sample), labels=labels).loss * sample["ntokens"]
    return loss, sample["ntokens"], {"loss": loss.detach()}
