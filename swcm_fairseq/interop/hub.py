"""Access to the Hugging Face hub, only if the user names a repository."""

import re
from collections.abc import Sequence
from pathlib import Path

from swcm_fairseq.data.vocabulary import DICT_FILE, SENTENCEPIECE_FILE
from swcm_fairseq.errors import InputError

# Data only, no code. Files that a repository lacks are ignored.
ENCODER_FILES = [
    "config.json",
    SENTENCEPIECE_FILE,
    "tokenizer.json",
    "model*.safetensors",
    "model.safetensors.index.json",
    "pytorch_model*.bin",
    "pytorch_model.bin.index.json",
]
MODEL_FILES = [
    "model.pt",
    "config.json",
    DICT_FILE,
    SENTENCEPIECE_FILE,
    "model*.safetensors",
    "model.safetensors.index.json",
]
NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")


def is_name(text: str) -> bool:
    """Whether ``text`` has the form of a hub name, ``org/name``."""
    return NAME.fullmatch(text) is not None


def download(name: str, revision: str | None, files: Sequence[str], what: str) -> Path:
    """Download files of a repository; return their local directory.

    Args:
        name: ``org/name``.
        revision: branch, tag or commit; None for the newest.
        files: patterns of the files to download: data only, no code.
        what: the user's input, for the beginning of messages.

    Raises:
        InputError: huggingface_hub is missing, the hub cannot be reached, or the repository does not exist.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise InputError(f"{what} needs huggingface_hub: pip install huggingface_hub") from error
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(files)))
    except Exception as error:  # network, permissions, names: the library has a dozen exception types
        raise InputError(f"{what} {name}: {error}") from error


def push(directory: Path, name: str, private: bool) -> str:
    """Upload a directory as a model, creating the repository if necessary; return its address.

    Raises:
        InputError: huggingface_hub is missing, or the hub cannot be reached or refuses the upload.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise InputError("--push needs huggingface_hub: pip install huggingface_hub") from error
    try:
        api = HfApi()
        address = str(api.create_repo(name, private=private, exist_ok=True))
        api.upload_folder(repo_id=name, folder_path=directory, commit_message="Export of swcm_fairseq")
        return address
    except Exception as error:  # network, permissions, names: the library has a dozen exception types
        raise InputError(
            f"--push {name}: {error}; {directory} is complete, so you can upload it later: hf upload {name} {directory}"
        ) from error
