"""Read an encoder, whatever wrote it."""

from pathlib import Path

from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.encoder_weights import EncoderWeights
from swcm_fairseq.interop.fairseq_checkpoint import read_fairseq
from swcm_fairseq.interop.huggingface import read_huggingface


def read_encoder(path: Path | str) -> EncoderWeights:
    """Read a Hugging Face directory or a fairseq checkpoint (see ``--pretrained-encoder``).

    Raises:
        InputError: there is nothing, or nothing that can be read.
    """
    path = Path(path)
    if path.is_dir():
        return read_huggingface(path)
    if path.is_file():
        return read_fairseq(path)
    raise InputError(f"{path}: no such encoder; give a local Hugging Face directory or a fairseq checkpoint")
