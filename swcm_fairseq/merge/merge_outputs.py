"""Write the merged model in the form of the first one: a checkpoint, a state dict, a safetensors file, a directory."""

import itertools
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.files import SAFETENSORS
from swcm_fairseq.interop.read import FAIRSEQ_MODEL
from swcm_fairseq.merge.merge_sources import SAFETENSORS_SUFFIX, Source
from swcm_fairseq.merge.merging import Merge
from swcm_fairseq.output_files import check_distinct, partial_of, whole_directory

KEPT = ("args", "cfg", "task_state")  # of the first model's checkpoint
PROVENANCE = "merge"  # key of what was merged, and how


def check_output(output: Path, inputs: list[Path], first: Source) -> None:
    """Refuse a place that cannot be written to before anything is computed.

    Raises:
        InputError: it is there already, is an input, or its name is that of another kind of file.
    """
    check_distinct(inputs, [output])
    if output.exists():
        raise InputError(
            f"--output {output}: is there already; give another {'directory' if _is_dir(first) else 'file'}"
        )
    if not _is_dir(first) and (output.suffix == SAFETENSORS_SUFFIX) != first.safetensors:
        kind = "safetensors" if first.safetensors else "torch"
        raise InputError(f"--output {output}: the models are {kind} files, and so is what is written; name it likewise")


def write(merge: Merge, output: Path, provenance: dict[str, Any]) -> None:
    """Merge and write, whole or not at all.

    Merged tensors lie in files of their own beside ``output`` until they are written, and not in memory.

    Raises:
        InputError: the place cannot be written to, or a tensor of a model cannot be used.
    """
    first = merge.models[0]
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f"{output.name}.", dir=output.parent) as scratch:
            state = _merged_state(merge, _Scratch(Path(scratch)))
            if _is_dir(first):
                _write_directory(first, state, output, provenance)
            else:
                _write_file(first, state, partial_of(output), provenance)
                partial_of(output).replace(output)
    except (OSError, SafetensorError, RuntimeError) as error:  # torch's and safetensors' writers on a full disk
        raise InputError(f"{output}: {getattr(error, 'strerror', None) or error}; make room or give another") from error
    finally:
        partial_of(output).unlink(missing_ok=True)


def _is_dir(first: Source) -> bool:
    return bool(first.companions) or first.path.is_dir()


class _Scratch:
    """A folder that tensors are moved to, so that they take no memory."""

    def __init__(self, folder: Path):
        self._folder, self._numbers = folder, itertools.count()

    def keep(self, tensor: Tensor) -> Tensor:
        """The same numbers, mapped to a file."""
        if not tensor.numel():
            return tensor
        path = str(self._folder / str(next(self._numbers)))
        mapped = torch.from_file(path, shared=True, size=tensor.numel(), dtype=tensor.dtype)
        return mapped.copy_(tensor.reshape(-1)).view(tensor.shape)


def _merged_state(merge: Merge, scratch: _Scratch) -> dict[str, Tensor]:
    """All tensors of the result in the order of the first model; tied ones are one tensor, if the format allows it."""
    first = merge.models[0]
    owned = {name: scratch.keep(tensor) for name, tensor in merge.tensors()}
    state = {name: owned[merge.owners.get(name, name)] for name in first.tensors}
    if first.safetensors:
        for name, owner in merge.owners.items():
            state[name] = state[owner] if owner == name else scratch.keep(state[owner])
    return state


def _write_directory(first: Source, state: dict[str, Tensor], output: Path, provenance: dict[str, Any]) -> None:
    weights = SAFETENSORS if first.safetensors else FAIRSEQ_MODEL
    with whole_directory(output, (*(file.name for file in first.companions), weights)) as partial:
        for file in first.companions:
            shutil.copyfile(file, partial / file.name)
        _write_file(first, state, partial / weights, provenance)


def _write_file(first: Source, state: dict[str, Tensor], path: Path, provenance: dict[str, Any]) -> None:
    if first.safetensors:
        save_file(state, path, metadata={"format": "pt", PROVENANCE: json.dumps(provenance)})
        mask = os.umask(0)
        os.umask(mask)
        path.chmod(0o666 & ~mask)  # safetensors lets only the owner read it
    elif first.state is None:
        torch.save(state, path)
    else:
        torch.save(_checkpoint(first, state, provenance), path)


def _checkpoint(first: Source, state: dict[str, Tensor], provenance: dict[str, Any]) -> dict[str, Any]:
    """What fairseq generates from, exports and starts a training from: no optimizer, no progress."""
    return {
        **{key: (first.state or {}).get(key) for key in KEPT},
        "model": {**state, **first.others},
        "optimizer_history": [
            {"criterion_name": "", "optimizer_name": "", "lr_scheduler_state": {}, "num_updates": 0},
        ],
        "extra_state": {"train_iterator": {"epoch": 1, "iterations_in_epoch": 0}},
        PROVENANCE: provenance,
    }
