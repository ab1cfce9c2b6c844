"""Read an encoder, whatever wrote it."""

from pathlib import Path

from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.encoder_weights import EncoderWeights
from swcm_fairseq.interop.fairseq_checkpoint import read_fairseq
from swcm_fairseq.interop.huggingface import CONFIG_FILE, read_huggingface

FAIRSEQ_MODEL = "model.pt"  # in the directories that XLM-R and RoBERTa were published in


def read_encoder(path: Path | str) -> EncoderWeights:
    """Read a Hugging Face directory, a fairseq checkpoint, or a directory with ``model.pt``.

    Raises:
        InputError: there is nothing, or nothing that can be read.
    """
    path = Path(path)
    if path.is_file():
        return read_fairseq(path)
    if (path / FAIRSEQ_MODEL).is_file() and not (path / CONFIG_FILE).is_file():
        return read_fairseq(path / FAIRSEQ_MODEL)
    if path.is_dir():
        return read_huggingface(path)
    raise InputError(
        f"{path}: no such encoder; give a local Hugging Face directory or a fairseq checkpoint (a model of the hub is "
        "fetched by python -m swcm_fairseq.interop.convert --hub)"
    )
