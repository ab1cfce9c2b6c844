"""Encoders for the vocabulary commands: a directory, or a fairseq checkpoint converted to one."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.encoder_files import CONFIG_FILE, FAIRSEQ_MODEL, check_checksums

FORMS = " (Hugging Face layout, or a fairseq checkpoint with its sentencepiece.bpe.model next to it)"


@contextmanager
def as_directory(vocab: Path) -> Iterator[Path]:
    """A vocabulary or encoder directory; a fairseq checkpoint (or a folder with ``model.pt``) is converted to one.

    Args:
        vocab: directory, or fairseq checkpoint with its sentencepiece model next to it; the latter is converted to a
            temporary directory.

    Raises:
        InputError: the checkpoint cannot be read, its sentencepiece model is missing, or a file does not match
            ``SHA256SUMS``.
    """
    check_checksums(vocab)
    is_folder = (vocab / FAIRSEQ_MODEL).is_file() and not (vocab / CONFIG_FILE).exists()
    if not (vocab.is_file() or is_folder):
        yield vocab
        return
    from swcm_fairseq.interop.read import read_encoder  # imports torch, which plain vocabularies do not need
    from swcm_fairseq.interop.write import write_encoder

    weights = read_encoder(vocab)
    if not weights.sentencepiece.is_file():
        raise InputError(
            f"{weights.sentencepiece}: no sentencepiece model next to the checkpoint; copy it there, or convert the "
            f"checkpoint: swcm convert {vocab} --sentencepiece-model FILE --output DIR"
        )
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "encoder"
        write_encoder(weights, directory, weights.sentencepiece)
        yield directory
