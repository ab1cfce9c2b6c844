"""Initialize a model for training from scratch: the encoder from a file, the decoder from the encoder."""

import logging
from pathlib import Path

import torch
from fairseq.data import Dictionary
from torch import Tensor, nn

from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.embedding_rows import match_rows
from swcm_fairseq.interop.encoder_weights import EncoderWeights
from swcm_fairseq.interop.read import read_encoder
from swcm_fairseq.interop.rows import TOKEN_TABLES
from swcm_fairseq.models.encoder_sizes import BOUNDED, SIZES
from swcm_fairseq.models.inheritance import inherit
from swcm_fairseq.models.model_config import XLMSWCMConfig
from swcm_fairseq.models.start_report import Startable, StartReport
from swcm_fairseq.options import flag
from swcm_fairseq.restoring import restored_file

logger = logging.getLogger(__name__)

POSITIONS = "embed_positions.weight"


def missing_weights(config: XLMSWCMConfig) -> str | None:
    """What is missing to start training with these options, as a message; None if nothing is.

    This is an error only if the model is built for training. fairseq builds it in the same way to load a checkpoint.
    """
    if config.pruned:
        return (
            "--encoder-layers-to-keep prunes a checkpoint for decoding (in --model-overrides), not for training: "
            "fairseq drops the option after pruning, so the resulting checkpoint could not be loaded"
        )
    if restored_file(config) is not None:
        return None
    if config.pretrained_encoder is not None and not Path(config.pretrained_encoder).exists():
        return (
            f"--pretrained-encoder {config.pretrained_encoder}: no such file or directory; training from scratch needs "
            "it (swcm convert --hub downloads a model from the hub)"
        )
    return None


def start(model: Startable, dictionary: Dictionary) -> StartReport:
    """Initialize the weights of a model, unless a checkpoint will overwrite them, and log where each tensor comes from.

    Returns:
        Where every tensor comes from, or what is missing (see :func:`missing_weights`).

    Raises:
        InputError: the encoder file cannot be used.
    """
    config = model.cfg
    report = StartReport(missing=missing_weights(config))
    if report.missing is not None:
        return report
    if restored_file(config) is not None:
        logger.info("the weights come from a checkpoint; no encoder file is read")
        return report
    if config.pretrained_encoder is not None:
        path = Path(config.pretrained_encoder)
        report.source = str(path)
        load(model, read_encoder(path), dictionary, report)
    if not config.pretrained_decoder:
        copied = inherit(model.encoder, model.decoder, config)
        report.copied.update(f"decoder.{name}" for name in copied)
    logger.info("start of the model\n%s", report.table(model))
    return report


def load(model: Startable, weights: EncoderWeights, dictionary: Dictionary, report: StartReport) -> None:
    """Copy the weights from a file into the encoder and, with ``--pretrained-decoder``, into the decoder.

    Raises:
        InputError: the sizes do not match the architecture, or a tensor is missing, unknown or of the wrong shape.
    """
    check_sizes(model.cfg, weights)
    _fill(model, "encoder", weights.tensors, weights, dictionary, report)
    if model.cfg.pretrained_decoder:
        if not weights.decoder:
            raise InputError(f"{weights.path}: contains no decoder of this model; remove --pretrained-decoder")
        _fill(model, "decoder", weights.decoder, weights, dictionary, report)
    for half in (model.encoder, model.decoder):
        half.set_layer_norm_eps(weights.layer_norm_eps)


def check_sizes(config: XLMSWCMConfig, weights: EncoderWeights) -> None:
    """Compare the sizes of the encoder and the architecture.

    Raises:
        InputError: sizes differ; one line names both values and the flag for each of them.
    """
    wrong = []
    for name, theirs in SIZES.items():
        ours, needed = getattr(config, name), getattr(weights, theirs)
        if str(ours) != str(needed):
            wrong.append(f"the encoder has {needed}, but the architecture has {flag(name)} {ours}; give {needed}")
    for name in BOUNDED:
        ours, most = getattr(config, name), weights.positions
        if ours > most:
            wrong.append(f"the encoder has {most} positions, but {flag(name)} is {ours}; give at most {most}")
    if wrong:
        raise InputError(
            f"{weights.path}: {', and '.join(wrong)} (--arch xlm_swcm takes sizes that are not given from the encoder)"
        )


@torch.no_grad()
def _fill(
    model: Startable,
    half: str,
    tensors: dict[str, Tensor],
    weights: EncoderWeights,
    dictionary: Dictionary,
    report: StartReport,
) -> None:
    """Fill ``half`` ("encoder" or "decoder"): match embedding rows by piece, truncate positions, copy the rest."""
    own: dict[str, nn.Parameter] = dict(getattr(model, half).named_parameters(remove_duplicate=False))
    for name in sorted(own.keys() - tensors.keys()):
        raise InputError(f"{weights.path}: has no tensor for {name} of the {half}")
    for name, tensor in tensors.items():
        theirs = weights.names.get(name, name) if half == "encoder" else f"{half}.{name}"
        if name not in own:
            raise InputError(f"{weights.path}: the tensor {theirs} does not belong to the {half} of this architecture")
        if name in TOKEN_TABLES and tensor.dim() == 2 and tensor.size(1) == own[name].size(1):
            tensor, report.rows = match_rows(own[name], tensor, weights, dictionary, model.cfg.new_rows_from_pieces)
        elif name == POSITIONS:
            tensor = tensor[: own[name].size(0)]
        if own[name].shape != tensor.shape:
            raise InputError(
                f"{weights.path}: {theirs} has the shape {list(tensor.shape)}, but {name} of the {half} has the shape "
                f"{list(own[name].shape)}"
            )
        report.fill(f"{half}.{name}", own[name], tensor, weights.path)
