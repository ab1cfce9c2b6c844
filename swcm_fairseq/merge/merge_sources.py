"""Open the models to merge. Their files are memory-mapped, so tensors are read only when they are used."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from swcm_fairseq.checked_data import checked
from swcm_fairseq.checkpoint_state import Checkpoint
from swcm_fairseq.data.vocabulary import DICT_FILE, SENTENCEPIECE_FILE, load_dictionary
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.encoder_files import CONFIG_FILE, FAIRSEQ_MODEL
from swcm_fairseq.interop.fairseq_checkpoint import options_of
from swcm_fairseq.interop.files import load_directory, load_json, load_pickle, load_safetensors
from swcm_fairseq.interop.huggingface import TOKENIZER_FILE, read_symbols

SAFETENSORS_SUFFIX = ".safetensors"
# Options that change what a model computes but not the names or shapes of its tensors, so that only they reveal a
# difference between two models: first fairseq's, then Hugging Face's.
COMPARED = (
    *("encoder_attention_heads", "decoder_attention_heads", "activation_fn", "no_scale_embedding"),
    *("encoder_normalize_before", "decoder_normalize_before", "separate_embeddings", "output_matrix"),
    *("tie_self_attention", "tie_ffn", "tie_duplicates", "duplicate_inserted_layers"),
    *("model_type", "num_attention_heads", "hidden_act", "layer_norm_eps", "position_embedding_type"),
)
# Files of a directory to copy along with the weights.
COMPANIONS = ("*.json", "*.txt", "*.model")


@dataclass
class Source:
    """One model.

    Attributes:
        path: path given by the user.
        tensors: tensors by name, as stored in the file.
        others: entries of the state dict that are not tensors.
        state: the rest of a fairseq checkpoint; None for a bare state dict or a Hugging Face directory.
        symbols: symbols of the embedding rows, if the file or its directory has them.
        langs: languages, if it is one of our checkpoints.
        options: the options of :data:`COMPARED` that it records.
        safetensors: whether the output is a safetensors file, as for safetensors inputs and Hugging Face directories.
        companions: files to copy along, if it is a directory.
    """

    path: Path
    tensors: dict[str, Tensor]
    others: dict[str, object] = field(default_factory=dict)
    state: dict[str, object] | None = None
    symbols: list[str] | None = None
    langs: list[str] | None = None
    options: dict[str, object] = field(default_factory=dict)
    safetensors: bool = False
    companions: list[Path] = field(default_factory=list)

    def read(self, name: str) -> Tensor:
        """A copy of one tensor, in float32.

        Raises:
            InputError: the tensor contains infinite values or NaN.
        """
        tensor = self.tensors[name].to(torch.float32, copy=True)
        if not tensor.isfinite().all():
            raise InputError(f"{self.path}: {name} contains NaN or infinite values; give another checkpoint")
        return tensor


def open_model(path: Path) -> Source:
    """Open a fairseq checkpoint, a state dict (torch or safetensors), or a directory with one of them.

    Raises:
        InputError: the model is missing or cannot be read.
    """
    if path.is_dir():
        return _open_directory(path)
    if not path.is_file():
        raise InputError(f"{path}: no such model; give a checkpoint, a safetensors file or the directory of a model")
    if path.suffix == SAFETENSORS_SUFFIX:
        return Source(path, load_safetensors(path), symbols=_symbols_beside(path), safetensors=True)
    return _open_torch_file(path)


def _open_torch_file(path: Path) -> Source:
    state = load_pickle(path, lazily=True)
    if not isinstance(state, dict):
        raise InputError(f"{path}: neither a fairseq checkpoint nor a state dict (a mapping of names to tensors)")
    model = state.pop("model", None)
    if not isinstance(model, dict):
        if not all(isinstance(value, Tensor) for value in state.values()):
            raise InputError(f"{path}: neither a fairseq checkpoint nor a state dict (a mapping of names to tensors)")
        return Source(path, state, symbols=_symbols_beside(path))
    task = checked(state.get("task_state") or {}, dict[str, object], f"{path}: task_state")
    known = {
        key: checked(task.get(key), list[str] | None, f"{path}: task_state: {key}") for key in ("symbols", "langs")
    }
    options = options_of(cast(Checkpoint, state), "model")
    return Source(
        path,
        tensors={name: value for name, value in model.items() if isinstance(value, Tensor)},
        others={name: value for name, value in model.items() if not isinstance(value, Tensor)},
        state=state,
        symbols=known["symbols"] or _symbols_beside(path),
        langs=known["langs"],
        options={name: options[name] for name in COMPARED if name in options},
    )


def _open_directory(path: Path) -> Source:
    """Open a Hugging Face directory, or a directory with ``model.pt`` as written by swcm export."""
    companions = sorted({file for pattern in COMPANIONS for file in path.glob(pattern)})
    companions = [file for file in companions if not file.name.endswith(".index.json")]
    if (path / FAIRSEQ_MODEL).is_file() and not (path / CONFIG_FILE).is_file():
        source = _open_torch_file(path / FAIRSEQ_MODEL)
        source.path, source.companions = path, companions
        return source
    config = load_json(path / CONFIG_FILE)
    known = any((path / name).is_file() for name in (DICT_FILE, SENTENCEPIECE_FILE, TOKENIZER_FILE))
    return Source(
        path,
        load_directory(path),
        symbols=read_symbols(path) if known else None,
        options={name: config[name] for name in COMPARED if name in config},
        safetensors=True,
        companions=companions,
    )


def _symbols_beside(path: Path) -> list[str] | None:
    place = path.parent / DICT_FILE
    return list(load_dictionary(place).symbols) if place.is_file() else None
