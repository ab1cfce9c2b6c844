"""Read and write tensor files; code in a file is never run."""

import errno
import pickle
import pickletools
import re
import struct
import zipfile
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as serialize
from torch import Tensor

from swcm_fairseq.checked_data import checked, parse_json, read_text
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.encoder_files import INDEX_SUFFIX, PYTORCH_BIN, SAFETENSORS, check_checksums
from swcm_fairseq.interop.packed_weights import unpack

torch.serialization.add_safe_globals([Namespace])  # all that checkpoints contain besides plain containers and tensors
# Exceptions of torch's reader for files that torch did not write.
NOT_A_CHECKPOINT = (
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    struct.error,
)
HARMLESS = ("argparse", "collections", "fairseq", "numpy", "omegaconf", "torch", "typing")  # modules in checkpoints
NAMED_CODE = re.compile(r"[Uu]nsupported (?:(?:global: )?GLOBAL|class) (\S+)")  # in torch's error message


class DamagedFileError(InputError):
    """A file is damaged, incomplete or in another format."""


def load_pickle(path: Path, lazily: bool = False) -> Any:
    """``torch.load(weights_only=True)`` on the CPU.

    With ``lazily``, tensors are read from disk when they are used, if the file's format allows it.

    Raises:
        DamagedFileError: the file is truncated or not a pickle.
        InputError: the file is missing or unsafe.
    """
    try:
        mapped = lazily and zipfile.is_zipfile(path)  # the format of torch before 1.6 cannot be mapped
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except OSError as error:
        if error.errno == errno.EINVAL:  # an offset in the file points outside it
            raise unreadable(path, error) from error
        raise InputError(f"{path}: {error.strerror or error}") from error
    except NOT_A_CHECKPOINT as error:
        raise unreadable(path, error) from error


def unreadable(path: Path, error: BaseException) -> InputError:
    """A short replacement for torch's message about a file: it would run code, or it is damaged."""
    named = NAMED_CODE.search(str(error))
    code = named[1] if named else _named_code(path)
    if code is not None:
        return InputError(f"{path}: refused: it would run code ({code}); use a safetensors file of the same model")
    return DamagedFileError(
        f"{path}: not a checkpoint, or a damaged one (truncated?); give a checkpoint or the directory of a model"
    )


def _named_code(path: Path) -> str | None:
    """The first function or class in a pickle that checkpoints do not contain; found without running anything.

    torch's reader rejects some pickles, such as those of other protocols, before it reaches the names in them.
    """
    texts: list[str] = []
    try:
        with open(path, "rb") as stream:
            while True:
                for opcode, argument, _ in pickletools.genops(stream):
                    if isinstance(argument, str):
                        texts.append(argument)
                    if opcode.name == "GLOBAL":
                        texts[-1:] = str(argument).split(" ")
                    if opcode.name in ("GLOBAL", "STACK_GLOBAL") and texts[-2].split(".")[0] not in HARMLESS:
                        return ".".join(texts[-2:])
    except (
        OSError,
        ValueError,
        LookupError,
        MemoryError,
        OverflowError,
    ):  # the end of the file, or of its readable part
        return None


def save_pickle(content: object, path: Path) -> None:
    """``torch.save``; raises :class:`OSError` if it fails."""
    with _full_disks():
        torch.save(content, path)


def save_safetensors(tensors: dict[str, Tensor], path: Path) -> None:
    """Write a safetensors file; raises :class:`OSError` if it fails.

    Tensors that share memory (such as a tied output matrix from a .bin file) are written separately.
    """
    with _full_disks():  # not safetensors' own writer, which replaces the file by one that only its owner can read
        whole = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
        path.write_bytes(serialize(whole, {"format": "pt"}))


@contextmanager
def _full_disks() -> Iterator[None]:
    """Turn the libraries' exceptions for a file that cannot be written into :class:`OSError`."""
    try:
        yield
    except (RuntimeError, SafetensorError) as error:
        raise OSError(str(error)) from error


def load_safetensors(path: Path) -> dict[str, Tensor]:
    """All tensors of a safetensors file, unpacked; raises :class:`InputError` if it is damaged or truncated."""
    try:
        return unpack(load_file(path), str(path))
    except (SafetensorError, OSError, ValueError) as error:
        raise InputError(f"{path}: not a readable safetensors file (truncated?): {error}; copy it again") from error


def load_json(path: Path) -> dict[str, Any]:
    """A JSON object; raises :class:`InputError` if the file is missing or contains anything else."""
    content = parse_json(read_text(path), path)
    if not isinstance(content, dict):
        raise InputError(f"{path}: not a JSON object")
    return content


def load_directory(directory: Path) -> dict[str, Tensor]:
    """The tensors of a Hugging Face directory, from one file or shards; safetensors is preferred to pytorch_model.bin.

    Raises:
        InputError: the files are missing or cannot be read, or a file does not match ``SHA256SUMS``.
    """
    check_checksums(directory)
    for name, load in ((SAFETENSORS, load_safetensors), (PYTORCH_BIN, _load_bin)):
        if (directory / name).is_file():
            return load(directory / name)
        if (directory / (name + INDEX_SUFFIX)).is_file():
            return _load_shards(directory / (name + INDEX_SUFFIX), load)
    raise InputError(f"{directory}: contains neither {SAFETENSORS} nor {PYTORCH_BIN} nor an index of either")


def _load_bin(path: Path) -> dict[str, Tensor]:
    tensors = load_pickle(path, lazily=True)
    if not isinstance(tensors, dict) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise InputError(f"{path}: not a state dict (a mapping of names to tensors)")
    return tensors


def _load_shards(index: Path, load: Callable[[Path], dict[str, Tensor]]) -> dict[str, Tensor]:
    """The tensors of all shards in the index; raises :class:`InputError` if a listed shard or tensor is missing."""
    weight_map = checked(load_json(index).get("weight_map"), dict[str, str], f"{index}: weight_map")
    tensors: dict[str, Tensor] = {}
    for shard in sorted(set(weight_map.values())):
        path = index.parent / Path(shard).name
        if not path.is_file():
            raise InputError(f"{index}: lists the shard {shard}, which is missing; copy it into the directory")
        tensors.update(load(path))
    for name, shard in weight_map.items():
        if name not in tensors:
            raise InputError(f"{index}: lists {name} in {shard}, which does not contain it")
    return tensors
