"""Write an encoder as a Hugging Face directory in the layout of XLM-R, which ``--pretrained-encoder`` accepts."""

import json
import shutil
from pathlib import Path

import torch
from torch import Tensor

from swcm_fairseq.data.languages import DEFAULT_LANGS, language_token
from swcm_fairseq.data.piece_list import SPECIALS, PieceList
from swcm_fairseq.data.vocabulary import DICT_FILE, MASK, SENTENCEPIECE_FILE, Vocabulary
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.encoder_files import CHECKSUMS, CONFIG_FILE, SAFETENSORS, checksum
from swcm_fairseq.interop.encoder_weights import EncoderWeights
from swcm_fairseq.interop.files import save_safetensors
from swcm_fairseq.interop.huggingface import ACTIVATIONS, HEAD_PREFIX, TOKEN_TYPES, name_table
from swcm_fairseq.interop.packed_weights import pack
from swcm_fairseq.interop.rows import EMBED_TOKENS, row_index
from swcm_fairseq.output_files import whole_directory

ENCODER_PREFIX = "roberta."  # prefix of the encoder's tensors in a model with a head


def write_encoder(weights: EncoderWeights, directory: Path, sentencepiece: Path, packed: bool = False) -> int:
    """Write ``config.json``, ``model.safetensors``, ``dict.txt`` and ``sentencepiece.bpe.model``.

    Rows are written in the dictionary's order: special symbols, pieces, ``<mask>``. Rows of other symbols (language
    tokens, spare rows) are left out.

    Args:
        weights: the encoder.
        directory: directory to write to; must not contain a model.
        sentencepiece: the sentencepiece model of its vocabulary.
        packed: whether to write matrices with 4 bits per weight, and ``SHA256SUMS``.

    Returns:
        The number of embedding rows left out.

    Raises:
        InputError: the directory contains a model or cannot be written (nothing half-written remains), or the
            sentencepiece model belongs to another vocabulary.
    """
    symbols = ordered_symbols(weights)
    files = (SENTENCEPIECE_FILE, DICT_FILE, SAFETENSORS, CONFIG_FILE)
    with whole_directory(directory, (*[CHECKSUMS] * packed, *files)) as partial:
        _write_files(weights, symbols, partial, sentencepiece, packed)
        if packed:
            sums = "".join(f"{checksum(partial / name)}  {name}\n" for name in files)
            (partial / CHECKSUMS).write_text(sums, encoding="utf-8")
    return weights.rows - len(symbols)


def _write_files(
    weights: EncoderWeights, symbols: list[str], directory: Path, sentencepiece: Path, packed: bool
) -> None:
    """Write the four files; raises :class:`OSError` if it fails."""
    shutil.copyfile(sentencepiece, directory / SENTENCEPIECE_FILE)
    _dictionary(symbols).save(str(directory / DICT_FILE))
    Vocabulary(directory)  # refuses files of different vocabularies
    tensors = _tensors(weights, symbols)
    save_safetensors(pack(tensors) if packed else tensors, directory / SAFETENSORS)
    config = json.dumps(_config(weights, len(symbols)), indent=2) + "\n"
    (directory / CONFIG_FILE).write_text(config, encoding="utf-8")


def ordered_symbols(weights: EncoderWeights, with_mask: bool = False) -> list[str]:
    """Special symbols, pieces in the encoder's order, and ``<mask>`` if the encoder has it or ``with_mask`` is set.

    Raises:
        InputError: a special symbol is missing.
    """
    known = weights.symbols[: weights.rows]
    missing = [special for special in SPECIALS if special not in known]
    if missing:
        raise InputError(
            f"{weights.path}: its vocabulary lacks {missing[0]}; only vocabularies with XLM-R's four special symbols "
            f"({' '.join(SPECIALS)}) are supported"
        )
    added = {*SPECIALS, MASK, "", *map(language_token, DEFAULT_LANGS)}
    pieces = [symbol for symbol in known if symbol not in added]
    return [*SPECIALS, *pieces, *([MASK] if MASK in known or with_mask else [])]


def _dictionary(symbols: list[str]) -> PieceList:
    dictionary = PieceList()
    for symbol in symbols:
        if symbol != MASK and symbol not in SPECIALS:
            dictionary.add_symbol(symbol)
    return dictionary


def _tensors(weights: EncoderWeights, symbols: list[str]) -> dict[str, Tensor]:
    """Tensors under Hugging Face's names; the token type row is zero because the positions already include it."""
    ours = dict(weights.tensors)
    rows = row_index(weights.symbols, symbols)
    ours[EMBED_TOKENS] = ours[EMBED_TOKENS][rows]
    tensors = {theirs: ours[name].contiguous() for name, theirs in name_table(weights.layers).items()}
    tensors[TOKEN_TYPES] = torch.zeros(1, weights.embed_dim)
    if not weights.head:
        return tensors
    head = {**weights.head, "bias": weights.head["bias"][rows]}
    tensors = {ENCODER_PREFIX + name: tensor for name, tensor in tensors.items()}
    return tensors | {HEAD_PREFIX + name: tensor.contiguous() for name, tensor in head.items()}


def _config(weights: EncoderWeights, vocabulary_size: int) -> dict:
    activations = {ours: theirs for theirs, ours in reversed(ACTIVATIONS.items())}
    if weights.activation_fn not in activations:
        raise InputError(
            f"{weights.path}: the activation function {weights.activation_fn!r} has no name in Hugging Face's layout"
        )
    return {
        "architectures": ["XLMRobertaForMaskedLM" if weights.head else "XLMRobertaModel"],
        "model_type": "xlm-roberta",
        "vocab_size": vocabulary_size,
        "hidden_size": weights.embed_dim,
        "num_hidden_layers": weights.layers,
        "num_attention_heads": weights.attention_heads,
        "intermediate_size": weights.ffn_embed_dim,
        "hidden_act": activations[weights.activation_fn],
        "layer_norm_eps": weights.layer_norm_eps,
        "max_position_embeddings": weights.tensors["embed_positions.weight"].size(0),
        "type_vocab_size": 1,
        "bos_token_id": 0,
        "pad_token_id": 1,
        "eos_token_id": 2,
    }
