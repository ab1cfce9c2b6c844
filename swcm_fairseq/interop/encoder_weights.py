"""An encoder read from a file: tensors under fairseq's names, symbols of its embedding rows, and its options."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from swcm_fairseq.data.vocabulary import MASK, SENTENCEPIECE_FILE
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.rows import EMBED_TOKENS

MAX_LAYERS, MAX_DIGITS = 1000, 6
# Shapes of the tensors of an encoder with hidden size D, inner FFN size F, V embedding rows and P positions.
TABLES = {EMBED_TOKENS: "VD", "embed_positions.weight": "PD", "layernorm_embedding.weight": "D"} | {
    "layernorm_embedding.bias": "D"
}
LAYER = {
    **{f"self_attn.{part}_proj.weight": "DD" for part in ("q", "k", "v", "out")},
    **{f"self_attn.{part}_proj.bias": "D" for part in ("q", "k", "v", "out")},
    **{f"{norm}.{part}": "D" for norm in ("self_attn_layer_norm", "final_layer_norm") for part in ("weight", "bias")},
    **{"fc1.weight": "FD", "fc1.bias": "F", "fc2.weight": "DF", "fc2.bias": "D"},
}
POSITION_OFFSET = 2  # the first token of a sequence has row padding_idx + 1 of fairseq's position table


@dataclass(frozen=True)
class EncoderSizes:
    """The sizes in an encoder's configuration, read without its weights; named as in :class:`EncoderWeights`."""

    layers: int
    embed_dim: int
    ffn_embed_dim: int
    attention_heads: int
    positions: int
    activation_fn: str


@dataclass
class EncoderWeights:
    """An encoder, as returned by :func:`~swcm_fairseq.interop.read.read_encoder`.

    Attributes:
        path: the file or directory.
        tensors: float32, under the names of fairseq's TransformerEncoder (``layers.0.fc1.weight``).
        names: our name -> name in the file, for messages.
        symbols: symbol of every embedding row, in order; rows beyond the last symbol belong to no piece.
        layer_norm_eps: epsilon of all layer norms.
        attention_heads: number of attention heads.
        activation_fn: fairseq's name of the activation function.
        left_out: name in the file that was deliberately left out -> reason.
        decoder: the decoder's tensors, if the file is a whole checkpoint of our model.
        head: the masked language model head without its output matrix, under the names of fairseq's RobertaLMHead
            (``dense.weight``); {} if the file has no head in XLM-R's form. ``bias`` has one value per embedding row.
    """

    path: Path
    tensors: dict[str, Tensor]
    names: dict[str, str]
    symbols: list[str]
    layer_norm_eps: float
    attention_heads: int
    activation_fn: str
    left_out: dict[str, str] = field(default_factory=dict)
    decoder: dict[str, Tensor] = field(default_factory=dict)
    head: dict[str, Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that the tensors form an encoder.

        Raises:
            InputError: a table or a layer is missing, or there are more symbols than rows.
        """
        for name in self.tensors:
            if _layer_number(name) > MAX_LAYERS:
                raise InputError(f"{self.path}: the tensor {name} does not belong to an encoder")
        for name in (EMBED_TOKENS, "embed_positions.weight", "layers.0.fc1.weight"):
            if name not in self.tensors or self.tensors[name].dim() != 2:
                raise InputError(f"{self.path}: not a transformer encoder with learned positions: no {name}")
        unplaced = self.symbols[self.rows :]
        if unplaced not in ([], [MASK]):  # dict.txt does not say whether the encoder has a <mask>
            raise InputError(
                f"{self.path}: {len(self.symbols)} symbols for {self.rows} embedding rows; the vocabulary belongs "
                "to another model"
            )

    def check_whole(self) -> None:
        """Raise :class:`InputError` for the first tensor that is missing, unknown, of another shape or not finite."""
        sizes = {"D": self.embed_dim, "F": self.ffn_embed_dim, "V": self.rows}
        sizes["P"] = self.positions + POSITION_OFFSET
        layers = {f"layers.{i}.{name}": shape for i in range(self.layers) for name, shape in LAYER.items()}
        expected = {name: [sizes[letter] for letter in shape] for name, shape in (TABLES | layers).items()}
        for name, tensor in self.tensors.items():
            theirs = self.names.get(name, name)
            if name not in expected:
                raise InputError(f"{self.path}: the tensor {theirs} does not belong to an encoder")
            if list(tensor.shape) != expected[name]:
                raise InputError(
                    f"{self.path}: {theirs} has the shape {list(tensor.shape)}, but an encoder of this size needs "
                    f"{expected[name]} for {name}; the file is damaged or belongs to another model"
                )
        for name in expected:
            if name not in self.tensors:
                raise InputError(f"{self.path}: the tensor {self.names.get(name, name)} is missing; copy it again")
        if self.embed_dim % self.attention_heads:
            raise InputError(
                f"{self.path}: {self.embed_dim} hidden units cannot be divided among {self.attention_heads} heads; "
                "the configuration belongs to another model"
            )
        self.check_finite()

    def check_finite(self) -> None:
        """Raise :class:`InputError` for the first tensor with NaN or infinite values."""
        for name, tensor in (self.tensors | self.head).items():
            if not torch.isfinite(tensor).all():
                raise InputError(
                    f"{self.path}: {self.names.get(name, name)} contains NaN or infinite values; the model has "
                    "diverged, or the file is damaged"
                )

    @property
    def sentencepiece(self) -> Path:
        """Expected path of its sentencepiece model."""
        return (self.path if self.path.is_dir() else self.path.parent) / SENTENCEPIECE_FILE

    @property
    def layers(self) -> int:
        """Number of layers."""
        return 1 + max(map(_layer_number, self.tensors))

    def first_layers(self, count: int) -> "EncoderWeights":
        """The encoder reduced to its first ``count`` layers; embeddings and head are kept, a decoder is dropped.

        Raises:
            InputError: the encoder has fewer layers.
        """
        if not 1 <= count <= self.layers:
            raise InputError(f"--layers {count}: {self.path} has {self.layers} layers; give 1 to {self.layers}")
        kept = {name: tensor for name, tensor in self.tensors.items() if _layer_number(name) < count}
        return replace(self, tensors=kept, decoder={})

    @property
    def positions(self) -> int:
        """Maximum length of a sequence in tokens: the rows of the position table after fairseq's offset."""
        return self.tensors["embed_positions.weight"].size(0) - POSITION_OFFSET

    @property
    def rows(self) -> int:
        """Number of rows of the embedding table."""
        return self.tensors[EMBED_TOKENS].size(0)

    @property
    def embed_dim(self) -> int:
        """Hidden size."""
        return self.tensors[EMBED_TOKENS].size(1)

    @property
    def ffn_embed_dim(self) -> int:
        """Inner size of the FFNs."""
        return self.tensors["layers.0.fc1.weight"].size(0)


def _layer_number(name: str) -> int:
    """``layers.3.fc1.weight`` -> 3; -1 for a tensor outside the layers."""
    number = name.split(".")[1] if name.startswith("layers.") else ""
    return int(number) if number.isascii() and number.isdigit() and len(number) < MAX_DIGITS else -1


def renamed_tensors(path: Path, tensors: dict[str, Tensor], rename: dict[str, str]) -> dict[str, Tensor]:
    """``tensors`` under our names, float32; ``rename`` gives the name in the file -> our name.

    Raises:
        InputError: two tensors would get the same name, or a tensor contains integers.
    """
    placed: dict[str, Tensor] = {}
    for name, ours in rename.items():
        if ours in placed:
            raise InputError(f"{path}: {name} and another tensor would both become {ours}")
        if not tensors[name].is_floating_point():
            raise InputError(f"{path}: {name} contains integers; the file is damaged or belongs to another model")
        placed[ours] = tensors[name].to(torch.float32)
    return placed
