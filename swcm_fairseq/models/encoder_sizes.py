"""``--arch xlm_swcm``: sizes that are not given are taken from the checkpoint or encoder that the model starts from.

The defaults are interpolations with a custom resolver, which fairseq resolves before anything else uses the
configuration. So the task, the trainer and every checkpoint see numbers, and a checkpoint can be loaded without the
encoder file.
"""

# ruff: noqa: RUF009 (fields created by follows())
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import II, DictConfig, OmegaConf

from swcm_fairseq.checkpoint_state import Options
from swcm_fairseq.interop.fairseq_checkpoint import read_model_options
from swcm_fairseq.interop.files import DamagedFileError
from swcm_fairseq.interop.read import read_sizes
from swcm_fairseq.models.model_config import BASE, Activation, XLMSWCMConfig, with_default
from swcm_fairseq.restoring import LAST, restored_file
from swcm_fairseq.save_directory import whole_beside

RESOLVER = "xlm_swcm_size"

# Model option -> encoder attribute. A BOUNDED option takes the encoder's value only if it is below the default.
SIZES = {
    "encoder_layers": "layers",
    "encoder_embed_dim": "embed_dim",
    "encoder_ffn_embed_dim": "ffn_embed_dim",
    "encoder_attention_heads": "attention_heads",
    "activation_fn": "activation_fn",
}
BOUNDED = {"max_source_positions": "positions", "max_target_positions": "positions"}


def follows(name: str) -> Any:
    """The field ``name`` of the base model's configuration, with a lookup by :func:`size` as its default."""
    return with_default(name, II(f"{RESOLVER}:{name}"))


@dataclass
class EncoderSizedConfig(XLMSWCMConfig):
    """Takes sizes from the checkpoint or encoder that the model starts from, or else from the base model."""

    encoder_layers: int = follows("encoder_layers")
    encoder_embed_dim: int = follows("encoder_embed_dim")
    encoder_ffn_embed_dim: int = follows("encoder_ffn_embed_dim")
    encoder_attention_heads: int = follows("encoder_attention_heads")
    max_source_positions: int = follows("max_source_positions")
    max_target_positions: int = follows("max_target_positions")
    activation_fn: Activation = follows("activation_fn")  # type: ignore[valid-type]


def size(name: str, _parent_: XLMSWCMConfig, _root_: DictConfig) -> object:
    """The resolver: returns the value of an option that is not given.

    Args:
        name: name of the option.
        _parent_: the model's options.
        _root_: fairseq's whole configuration; its cache ensures that each file is read only once.

    Raises:
        InputError: the encoder cannot be read.
    """
    restored = restored_file(_parent_)
    source = restored or _parent_.pretrained_encoder
    if source is None:
        return BASE[name].default
    read = OmegaConf.get_cache(_root_)[RESOLVER]
    if source not in read:
        read[source] = _of_checkpoint(Path(source)) if restored else _of_encoder(source)
    return read[source].get(name, BASE[name].default)


def _of_checkpoint(path: Path) -> Options:
    """The model options in a checkpoint, or, if it is damaged, in the one that training will continue from."""
    try:
        return read_model_options(path)
    except DamagedFileError:
        if path.name != LAST:
            raise
        return read_model_options(whole_beside(path))


def _of_encoder(path: str) -> Options:
    """The options of a model that starts from an encoder."""
    sizes = vars(read_sizes(path))
    bounded = {name: min(BASE[name].default, sizes[theirs]) for name, theirs in BOUNDED.items()}
    return {name: sizes[theirs] for name, theirs in SIZES.items()} | bounded


OmegaConf.register_new_resolver(RESOLVER, size, replace=True)
