"""Read an encoder in any supported format."""

from pathlib import Path

from swcm_fairseq.errors import InputError, exists
from swcm_fairseq.interop.encoder_files import CONFIG_FILE, FAIRSEQ_MODEL
from swcm_fairseq.interop.encoder_weights import EncoderSizes, EncoderWeights
from swcm_fairseq.interop.fairseq_checkpoint import read_fairseq, read_fairseq_sizes
from swcm_fairseq.interop.huggingface import read_huggingface, read_huggingface_sizes


def read_encoder(path: Path | str) -> EncoderWeights:
    """Read a Hugging Face directory, a fairseq checkpoint, or a directory with ``model.pt``.

    Raises:
        InputError: the encoder is missing or cannot be read.
    """
    place = _place(Path(path))
    weights = read_fairseq(place) if place.is_file() else read_huggingface(place)
    weights.check_finite()
    return weights


def read_sizes(path: Path | str) -> EncoderSizes:
    """The sizes of an encoder, without reading its weights; raises :class:`InputError` like :func:`read_encoder`."""
    place = _place(Path(path))
    return read_fairseq_sizes(place) if place.is_file() else read_huggingface_sizes(place)


def _place(path: Path) -> Path:
    """The checkpoint or the Hugging Face directory; raises :class:`InputError` if neither exists."""
    if path.is_dir() and (path / FAIRSEQ_MODEL).is_file() and not (path / CONFIG_FILE).is_file():
        return path / FAIRSEQ_MODEL
    if exists(path):
        return path
    raise InputError(
        f"{path}: no such encoder; give a local Hugging Face directory or a fairseq checkpoint (swcm convert --hub "
        "downloads a model from the hub)"
    )
