"""XLM-SWCM (Su et al. 2025, arXiv 2502.10852): an encoder-decoder that inherits a multilingual encoder."""

import argparse
import contextlib
import logging
from collections.abc import Callable
from typing import cast

import torch
from fairseq.data import Dictionary
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.models import FairseqEncoderDecoderModel, register_model
from fairseq.tasks import FairseqTask
from omegaconf import DictConfig, OmegaConf
from torch import Tensor, nn

from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.row_plans import INIT_STD
from swcm_fairseq.interop.rows import TOKEN_TABLES
from swcm_fairseq.models.checkpoint_check import check_tensors, check_ties
from swcm_fairseq.models.decoder import Decoder
from swcm_fairseq.models.encoder import Encoder, EncoderOut
from swcm_fairseq.models.encoder_sizes import EncoderSizedConfig
from swcm_fairseq.models.inheritance import tie
from swcm_fairseq.models.layer_plan import describe
from swcm_fairseq.models.model_config import LargeConfig, ReleasedConfig, SmallConfig, TinyConfig, XLMSWCMConfig
from swcm_fairseq.models.warm_start import start

logger = logging.getLogger(__name__)

SampleInputs = Callable[[Tensor, Tensor, Tensor], Tensor]
OutputHead = Callable[[Tensor, Tensor], object]


def init_weights(module: nn.Module) -> None:
    """Draw the weights of linear layers and embeddings from normal(0, 0.02), as in BERT and RoBERTa."""
    if isinstance(module, nn.Linear | nn.Embedding):
        nn.init.normal_(module.weight, std=INIT_STD)
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


@register_model("xlm_swcm", dataclass=EncoderSizedConfig)
class XLMSWCMModel(FairseqEncoderDecoderModel):
    """Encoder and interleaved decoder.

    Args:
        config: the options.
        encoder: the encoder.
        decoder: the decoder, which may share embeddings, layers and the output matrix with the encoder.

    Attributes:
        missing: what was missing to start training when the model was built, as a message; None if nothing was.
    """

    encoder: Encoder
    decoder: Decoder
    missing: str | None = None

    def __init__(self, config: XLMSWCMConfig, encoder: Encoder, decoder: Decoder):
        super().__init__(encoder, decoder)
        self.cfg = config
        self.supports_align_args = True
        self.register_load_state_dict_pre_hook(self._check_checkpoint)
        self.set_num_updates(0)

    @classmethod
    def add_args(cls, parser: argparse.ArgumentParser) -> None:
        """Add the same flags for all architectures, with plain numbers even for sizes that follow the encoder."""
        gen_parser_from_dataclass(parser, XLMSWCMConfig(), delete_default=True)

    @classmethod
    def build_model(cls, cfg: DictConfig | XLMSWCMConfig, task: FairseqTask) -> "XLMSWCMModel":
        """Build the model and, if training starts from scratch, initialize it from ``cfg.pretrained_encoder``.

        Raises:
            InputError: an option is invalid, or the encoder file cannot be used.
        """
        config = cfg if isinstance(cfg, XLMSWCMConfig) else cast(XLMSWCMConfig, OmegaConf.to_object(cfg))
        if task.source_dictionary != task.target_dictionary:
            raise InputError("source and target dictionary differ; this model needs a joined dictionary")
        config.check()
        model = cls.from_config(config, task.source_dictionary)
        logger.info(describe(model.decoder.plan))
        model.missing = start(model, task.source_dictionary).missing
        if model.missing is not None:
            model.await_weights(model.missing)
        return model

    @classmethod
    def from_config(cls, config: XLMSWCMConfig, dictionary: Dictionary) -> "XLMSWCMModel":
        """The model with random weights from normal(0, 0.02), as in RoBERTa; parameters are tied, but not copied."""
        fairseq_config = config.transformer_config()
        width = config.encoder_embed_dim
        embed_tokens = nn.Embedding(len(dictionary), width, dictionary.pad())
        encoder = Encoder(fairseq_config, dictionary, embed_tokens, config.compile_layers)
        if config.separate_embeddings:
            embed_tokens = nn.Embedding(len(dictionary), width, dictionary.pad())
        decoder = Decoder(fairseq_config, dictionary, embed_tokens, config.layer_plan(), config.compile_layers)
        model = cls(config, encoder, decoder)
        model.apply(init_weights)
        if not config.pruned:  # checkpoints contain tied parameters under both names
            tie(encoder, decoder, config)
        return model

    @classmethod
    def from_pretrained(
        cls,
        model_name_or_path: str,
        checkpoint_file: str = "model.pt",
        data_name_or_path: str = ".",
        **overrides: object,
    ) -> nn.Module:
        """Load a trained model for generation, see :func:`swcm_fairseq.hub_interface.load`."""
        from swcm_fairseq.hub_interface import load  # imports the task, which imports this module

        return load(model_name_or_path, checkpoint_file, data_name_or_path, **overrides)

    def upgrade_state_dict_named(self, state_dict: dict[str, Tensor], name: str) -> None:
        """As in fairseq; also add embedding rows for symbols that were appended to the dictionary.

        This adds a language to a trained model: use ``--finetune-from-model`` with one more language in ``--langs``.
        The rows of the checkpoint are unchanged; the task checks that their symbols are the same.

        Raises:
            InputError: the checkpoint has more rows than the dictionary.
        """
        super().upgrade_state_dict_named(state_dict, name)
        for table, parameter in self.named_parameters(remove_duplicate=False):
            if not table.endswith(TOKEN_TABLES) or table not in state_dict:
                continue
            old, rows = state_dict[table], parameter.size(0)
            if old.size(0) > rows or old.size(1) != parameter.size(1):
                raise InputError(
                    f"{table} has the shape {list(old.shape)} in the checkpoint and {list(parameter.shape)} here; "
                    "give the dictionary, the languages and the architecture that the checkpoint was trained with"
                )
            if old.size(0) < rows:
                state_dict[table] = torch.cat([old, parameter.detach()[old.size(0) :].to(old)])
                logger.info("%s: added %d rows for new symbols", table, rows - old.size(0))

    @staticmethod
    def _check_checkpoint(
        module: nn.Module, state_dict: dict[str, Tensor], prefix: str, metadata: object, strict: bool, *_: object
    ) -> None:
        """Called by ``load_state_dict`` after fairseq has upgraded and pruned the state, before anything is copied."""
        check_tensors(module, state_dict, prefix, strict)
        check_ties(module, state_dict, prefix)

    def await_weights(self, missing: str) -> None:
        """Raise :class:`InputError` with the message ``missing`` if the model is trained before weights are loaded.

        fairseq does not tell a model whether it is built for training or for loading a checkpoint. In the latter case,
        it is not an error if the encoder file is missing.
        """

        def refuse(module: nn.Module, _: object) -> None:
            if module.training:
                raise InputError(missing)

        refusal = self.register_forward_pre_hook(refuse)
        self.register_load_state_dict_post_hook(lambda *_: refusal.remove())

    @property
    def output_weight(self) -> Tensor:
        """The output matrix [V, C]."""
        return self.decoder.output_weight

    def set_num_updates(self, num_updates: int) -> None:
        """Called by fairseq's trainer before every update; ends the frozen stages."""
        super().set_num_updates(num_updates)
        self.num_updates = num_updates  # read by the criterion's schedule
        self.encoder_frozen = num_updates < self.cfg.freeze_encoder_updates
        frozen = num_updates < self.cfg.freeze_embeddings_updates
        self.encoder.embeddings_frozen = self.decoder.embeddings_frozen = frozen

    def forward(
        self,
        src_tokens: Tensor,
        src_lengths: Tensor,
        prev_output_tokens: Tensor,
        *,
        features_only: bool = False,
        sample_inputs: SampleInputs | None = None,
        output_head: OutputHead | None = None,
        share_dropout: bool = False,
        return_all_hiddens: bool = False,
        alignment_layer: int | None = None,
        alignment_heads: int | None = None,
        source_padded: bool | None = None,
        left_padded: bool | None = None,
    ) -> tuple[object, dict[str, object]]:
        """Encode once, and decode once or twice.

        Args:
            src_tokens: int64, [B, S].
            src_lengths: int64, [B].
            prev_output_tokens: int64, [B, T].
            features_only: whether to return the decoder's features [B, T, C] instead of logits.
            sample_inputs: function ``sample_inputs(features, output_weight, prev_output_tokens)`` of the features of a
                first pass without gradient; its result, [B, T], is the input of the second pass (two-pass scheduled
                sampling, Mihaylova and Martins 2019).
            output_head: function ``output_head(features, output_weight)`` whose result replaces the logits, so that
                no [B, T, V] tensor is allocated.
            share_dropout: whether to use the same dropout masks in both passes.
            return_all_hiddens: whether to keep the hidden states of all encoder layers.
            alignment_layer: decoder layer whose cross-attention weights are returned.
            alignment_heads: number of heads over which these weights are averaged.
            source_padded: whether ``src_tokens`` contains padding; None checks, which waits for the GPU.
            left_padded: whether ``prev_output_tokens`` has padding on the left; None also checks.

        Returns:
            Logits [B, T, V], features, or the result of ``output_head``; and fairseq's dictionary, with the decoder
            input of the last pass as ``prev_output_tokens``.
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.encoder_frozen):
            encoder_out = self.encoder(
                src_tokens, src_lengths=src_lengths, return_all_hiddens=return_all_hiddens, padded=source_padded
            )
        with self.decoder.keys_computed_once(encoder_out) if sample_inputs else contextlib.nullcontext():
            if sample_inputs is not None:
                prev_output_tokens = self._sampled_inputs(
                    sample_inputs, prev_output_tokens, encoder_out, share_dropout, left_padded
                )
            x, extra = self.decoder(
                prev_output_tokens,
                encoder_out=encoder_out,
                features_only=features_only or output_head is not None,
                alignment_layer=alignment_layer,
                alignment_heads=alignment_heads,
                left_padded=left_padded,
            )
        if output_head is not None:
            x = output_head(x, self.output_weight)
        return x, {**extra, "prev_output_tokens": prev_output_tokens}

    def _sampled_inputs(
        self,
        sample_inputs: SampleInputs,
        tokens: Tensor,
        encoder_out: EncoderOut,
        share_dropout: bool,
        left_padded: bool | None,
    ) -> Tensor:
        """Run the first pass; with ``share_dropout``, restore the random state, so both passes drop the same units."""
        devices = [tokens.device] if tokens.is_cuda else []
        fork = torch.random.fork_rng(devices) if share_dropout else contextlib.nullcontext()
        with torch.no_grad(), fork:
            features, _ = self.decoder(tokens, encoder_out=encoder_out, features_only=True, left_padded=left_padded)
            return sample_inputs(features, self.output_weight, tokens)


@register_model("xlm_swcm_tiny", dataclass=TinyConfig)
class XLMSWCMTiny(XLMSWCMModel):
    """See :class:`TinyConfig`."""


@register_model("xlm_swcm_small", dataclass=SmallConfig)
class XLMSWCMSmall(XLMSWCMModel):
    """See :class:`SmallConfig`."""


@register_model("xlm_swcm_base", dataclass=XLMSWCMConfig)
class XLMSWCMBase(XLMSWCMModel):
    """See :class:`XLMSWCMConfig`."""


@register_model("xlm_swcm_large", dataclass=LargeConfig)
class XLMSWCMLarge(XLMSWCMModel):
    """See :class:`LargeConfig`."""


@register_model("xlm_swcm_released", dataclass=ReleasedConfig)
class XLMSWCMReleased(XLMSWCMModel):
    """See :class:`ReleasedConfig`."""
