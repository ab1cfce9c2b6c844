"""Write the merged model in the format of the first one: checkpoint, state dict, safetensors file or directory."""

import itertools
import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.encoder_files import FAIRSEQ_MODEL, SAFETENSORS
from swcm_fairseq.interop.files import save_pickle
from swcm_fairseq.merge.merge_sources import SAFETENSORS_SUFFIX, Source
from swcm_fairseq.merge.merging import Merge
from swcm_fairseq.output_files import Workspace, check_distinct, whole_directory, whole_file

KEPT = ("args", "cfg", "task_state")  # parts of the first model's checkpoint
PROVENANCE = "merge"  # key of the inputs and the recipe in the output
SCRATCH = ".tensors"


def check_output(output: Path, inputs: list[Path], first: Source) -> None:
    """Refuse an unusable output path before anything is computed.

    Raises:
        InputError: the path already exists, is an input, or has the suffix of another format.
    """
    check_distinct(inputs, [output])
    if output.exists():
        raise InputError(f"--output {output}: already exists; give another {'directory' if _is_dir(first) else 'file'}")
    if not _is_dir(first) and (output.suffix == SAFETENSORS_SUFFIX) != first.safetensors:
        kind = "safetensors" if first.safetensors else "torch"
        raise InputError(
            f"--output {output}: the output will be a {kind} file like the models; give it the same suffix"
        )


def write(merge: Merge, output: Path, provenance: Mapping[str, object]) -> None:
    """Merge and write, atomically.

    Until they are written, merged tensors are stored in temporary files next to ``output``, not in memory.

    Raises:
        InputError: the output cannot be written, or a tensor of a model is unusable.
    """
    first = merge.models[0]
    with Workspace(output.with_name(output.name + SCRATCH), is_folder=True) as workspace:
        scratch = _Scratch(workspace.place)
        try:
            state = _merged_state(merge, scratch)
        except (OSError, RuntimeError) as error:  # torch raises RuntimeError if the disk is full
            raise InputError(f"{output}: {error}; make room or give another --output") from error
        if _is_dir(first):
            _write_directory(first, state, output, provenance, scratch)
        else:
            with whole_file(output) as place:
                _write_file(first, state, place, provenance, scratch)


def _is_dir(first: Source) -> bool:
    return bool(first.companions) or first.path.is_dir()


class _Scratch:
    """A folder for tensors that should not occupy memory."""

    def __init__(self, folder: Path):
        self.folder, self._numbers = folder, itertools.count()

    def keep(self, tensor: Tensor) -> Tensor:
        """Move a tensor to a file; return it memory-mapped."""
        if not tensor.numel():
            return tensor
        path = str(self.folder / str(next(self._numbers)))
        mapped = torch.from_file(path, shared=True, size=tensor.numel(), dtype=tensor.dtype)
        return mapped.copy_(tensor.reshape(-1)).view(tensor.shape)


def _merged_state(merge: Merge, scratch: _Scratch) -> dict[str, Tensor]:
    """All tensors of the result in the first model's order; tied tensors are shared if the format allows it."""
    first = merge.models[0]
    owned = {name: scratch.keep(tensor) for name, tensor in merge.tensors()}
    state = {name: owned[merge.owners.get(name, name)] for name in first.tensors}
    if first.safetensors:
        for name, owner in merge.owners.items():
            state[name] = state[owner] if owner == name else scratch.keep(state[owner])
    return state


def _write_directory(
    first: Source, state: dict[str, Tensor], output: Path, provenance: Mapping[str, object], scratch: _Scratch
) -> None:
    weights = SAFETENSORS if first.safetensors else FAIRSEQ_MODEL
    with whole_directory(output, (*(file.name for file in first.companions), weights)) as partial:
        for file in first.companions:
            shutil.copyfile(file, partial / file.name)
        _write_file(first, state, partial / weights, provenance, scratch)


def _write_file(
    first: Source, state: dict[str, Tensor], path: Path, provenance: Mapping[str, object], scratch: _Scratch
) -> None:
    """Write one file; raises :class:`OSError` if it fails."""
    if not first.safetensors:
        save_pickle(state if first.state is None else _checkpoint(first, state, provenance), path)
        return
    # Not save_safetensors, which holds all tensors in memory; not to ``path`` directly, which save_file would replace.
    file = scratch.folder / SAFETENSORS
    try:
        save_file(state, file, metadata={"format": "pt", PROVENANCE: json.dumps(provenance)})
    except SafetensorError as error:
        raise OSError(str(error)) from error
    shutil.copyfile(file, path)


def _checkpoint(first: Source, state: dict[str, Tensor], provenance: Mapping[str, object]) -> dict[str, object]:
    """A checkpoint for generation, export and as a start for training, without optimizer state and progress."""
    return {
        **{key: (first.state or {}).get(key) for key in KEPT},
        "model": {**state, **first.others},
        "optimizer_history": [
            {"criterion_name": "", "optimizer_name": "", "lr_scheduler_state": {}, "num_updates": 0},
        ],
        "extra_state": {"train_iterator": {"epoch": 1, "iterations_in_epoch": 0}},
        PROVENANCE: provenance,
    }
