"""Memory-mapped indexed files of a data directory, as datasets for training."""

import itertools
import os
from pathlib import Path

import numpy as np
from fairseq.data import ConcatDataset, Dictionary
from fairseq.data.indexed_dataset import MMapIndexedDataset

from swcm_fairseq.data.directory import check_index
from swcm_fairseq.errors import InputError


def load_side(directory: Path | str, prefix: str, dictionary: Dictionary, combine: bool = False):
    """Open the indexed file ``prefix`` in ``directory``, memory-mapped.

    Args:
        directory: the data directory.
        prefix: path in the directory, without ``.bin``/``.idx``.
        dictionary: the dictionary; ids must be below its length.
        combine: whether to append ``train1.zh-bo.zh``, ``train2.zh-bo.zh``, ... to ``train.zh-bo.zh``, as fairseq does.

    Returns:
        a dataset of 1-d LongTensors with ``sizes`` (tokens, ``</s>`` included).

    Raises:
        InputError: a file is missing or damaged, or contains ids outside the dictionary.
    """
    parts = []
    for number in itertools.count() if combine else (0,):
        head, name = os.path.split(prefix)
        split, dot, rest = name.partition(".")
        path = os.path.join(directory, head, f"{split}{number or ''}{dot}{rest}")
        if number and not os.path.exists(f"{path}.idx"):
            break
        parts.append(_open(path, dictionary))
    return parts[0] if len(parts) == 1 else ConcatDataset(parts)


def _open(path: str, dictionary: Dictionary) -> MMapIndexedDataset:
    """Open one indexed file; raises :class:`InputError` if it is missing, damaged, or has ids that are not pieces."""
    dtype, _ = check_index(path)
    if int(np.memmap(f"{path}.bin", dtype, "r").max()) >= len(dictionary):
        raise InputError(
            f"{path}.bin: contains ids outside the dictionary of {len(dictionary)} entries, so it was written with "
            "another vocabulary; binarize the text again"
        )
    return MMapIndexedDataset(path)
