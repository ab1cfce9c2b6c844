"""The files of an encoder directory: names, checksums and presence. Nothing in this module reads tensors."""

import hashlib
from pathlib import Path

from swcm_fairseq.errors import InputError

CONFIG_FILE = "config.json"
SAFETENSORS = "model.safetensors"
PYTORCH_BIN = "pytorch_model.bin"
INDEX_SUFFIX = ".index.json"
FAIRSEQ_MODEL = "model.pt"  # as in the published directories of XLM-R and RoBERTa
CHECKSUMS = "SHA256SUMS"  # in the format of sha256sum; accompanies a distributed model


def has_encoder(directory: Path | str) -> bool:
    """Whether the directory contains the weights of an encoder."""
    names = [name + suffix for name in (SAFETENSORS, PYTORCH_BIN) for suffix in ("", INDEX_SUFFIX)]
    return any((Path(directory) / name).is_file() for name in names)


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_checksums(directory: Path) -> None:
    """Compare the files of a directory with its ``SHA256SUMS``, if it has one; raises :class:`InputError`."""
    listing = directory / CHECKSUMS
    if not listing.is_file():
        return
    for line in listing.read_text(encoding="utf-8", errors="replace").splitlines():
        expected, _, name = line.partition("  ")
        path = directory / Path(name).name
        if not path.is_file() or checksum(path) != expected:
            raise InputError(f"{path}: damaged or missing (its checksum is not the one in {CHECKSUMS}); copy it again")
