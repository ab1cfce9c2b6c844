"""The Hugging Face hub, contacted only when a user names a repository."""

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
    """Whether ``text`` has the form of a name on the hub, ``org/name``."""
    return NAME.fullmatch(text) is not None


def download(name: str, revision: str | None, files: Sequence[str], what: str) -> Path:
    """Fetch files of a repository; returns their local directory.

    Args:
        name: ``org/name``.
        revision: branch, tag or commit; None for the newest.
        files: patterns of the files to fetch, data only, no code.
        what: the user's input, for the beginning of a message.

    Raises:
        InputError: huggingface_hub is missing, the hub does not answer, or it has no such repository.
    """
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise InputError(f"{what} needs one more library: pip install huggingface_hub") from error
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(files)))
    except Exception as error:  # network, permissions and names: the library has a dozen of its own
        raise InputError(f"{what} {name}: {error}") from error


def push(directory: Path, name: str, private: bool) -> str:
    """Upload a directory as a model, creating the repository if necessary. Returns its address.

    Raises:
        InputError: huggingface_hub is missing, or the hub does not answer or refuses.
    """
    try:
        from huggingface_hub import HfApi
    except ImportError as error:
        raise InputError("--push needs one more library: pip install huggingface_hub") from error
    try:
        api = HfApi()
        address = str(api.create_repo(name, private=private, exist_ok=True))
        api.upload_folder(repo_id=name, folder_path=directory, commit_message="Export of swcm_fairseq")
        return address
    except Exception as error:  # network, permissions and names: the library has a dozen of its own
        raise InputError(f"--push {name}: {error}; {directory} is complete: hf upload {name} {directory}") from error
