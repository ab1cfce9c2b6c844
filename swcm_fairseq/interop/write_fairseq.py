"""Write an encoder as a fairseq RoBERTa checkpoint for continued masked language modeling."""

from pathlib import Path

import torch
from torch import Tensor

from swcm_fairseq.interop.encoder_weights import EncoderWeights
from swcm_fairseq.interop.fairseq_checkpoint import EPS
from swcm_fairseq.interop.files import save_pickle
from swcm_fairseq.interop.row_plans import INIT_STD
from swcm_fairseq.interop.rows import EMBED_TOKENS, carried, generator_of, row_index
from swcm_fairseq.interop.write import ordered_symbols
from swcm_fairseq.output_files import whole_file

PREFIX = "encoder.sentence_encoder."


def roberta_options(weights: EncoderWeights) -> dict[str, object]:
    """The options of ``--arch roberta_base`` that build this encoder."""
    return {
        "encoder_layers": weights.layers,
        "encoder_embed_dim": weights.embed_dim,
        "encoder_ffn_embed_dim": weights.ffn_embed_dim,
        "encoder_attention_heads": weights.attention_heads,
        "activation_fn": weights.activation_fn,
        "max_positions": weights.positions,
    }


def write_roberta(weights: EncoderWeights, path: Path, seed: int = 1) -> None:
    """Write a checkpoint that ``fairseq-train --arch roberta_base --finetune-from-model`` can start from.

    The model is fairseq's stock RoBERTa: post-norm, normalized embeddings, tied output matrix. Rows are in the
    dictionary's order: special symbols, pieces, ``<mask>``. A missing ``<mask>`` row or head is drawn from N(0, 0.02),
    with layer norms 1 and biases 0.

    Args:
        weights: the encoder.
        path: file to write, atomically.
        seed: random seed of new tensors.

    Raises:
        InputError: the file cannot be written.
    """
    symbols = ordered_symbols(weights, with_mask=True)
    generator = generator_of(seed)
    index = row_index(weights.symbols, symbols)
    tensors = dict(weights.tensors)
    tensors[EMBED_TOKENS] = carried(tensors[EMBED_TOKENS], index, generator)
    model = {f"{PREFIX}{name}": tensor.contiguous() for name, tensor in tensors.items()}
    head = weights.head or _new_head(weights, generator)
    model |= {f"encoder.lm_head.{name}": tensor for name, tensor in head.items()}
    model["encoder.lm_head.bias"] = carried(head["bias"], index, generator)
    model["encoder.lm_head.weight"] = model[f"{PREFIX}{EMBED_TOKENS}"]
    state = {
        "args": None,
        "cfg": {"model": roberta_options(weights)},
        "model": model,
        "optimizer_history": [{"optimizer_name": "", "lr_scheduler_state": {}, "num_updates": 0}],
        "extra_state": {"train_iterator": {"epoch": 1, "iterations_in_epoch": 0}},
        "task_state": {"symbols": symbols},
    }
    with whole_file(path) as place:
        save_pickle(state, place)


def epsilon_note(weights: EncoderWeights) -> str | None:
    """A note if the epsilon of the layer norms changes, because fairseq's RoBERTa has a fixed one."""
    if weights.layer_norm_eps == EPS:
        return None
    return (
        f"layer norm eps {weights.layer_norm_eps:g} becomes {EPS:g}, the value of fairseq's RoBERTa; outputs differ "
        "slightly until training has adapted"
    )


def _new_head(weights: EncoderWeights, generator: torch.Generator) -> dict[str, Tensor]:
    width = weights.embed_dim
    return {
        "dense.weight": torch.normal(0.0, INIT_STD, (width, width), generator=generator),
        "dense.bias": torch.zeros(width),
        "layer_norm.weight": torch.ones(width),
        "layer_norm.bias": torch.zeros(width),
        "bias": torch.zeros(weights.rows),
    }
