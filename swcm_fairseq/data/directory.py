"""Open a data directory: what corpora it has, with which vocabulary, and their indexed files.

Directories with ``corpora.json`` and directories as stock ``fairseq-preprocess`` writes them look the same afterwards.
"""

import itertools
import os
import re
import struct
from pathlib import Path

import numpy as np
from fairseq.data import ConcatDataset, Dictionary, indexed_dataset

from swcm_fairseq.data.corpora import CORPORA_FILE, Corpora, Corpus, Kind, Split
from swcm_fairseq.data.languages import check_code
from swcm_fairseq.data.vocabulary import DICT_FILE, checksum, load_dictionary
from swcm_fairseq.errors import InputError

_PAIR_FILE = re.compile(r"(?P<split>[^.]+)\.(?P<source>[^.-]+)-(?P<target>[^.-]+)\.(?P<side>[^.]+)\.idx")

_INDEX_HEADER = struct.Struct("<9sQBQ")  # magic, version, type of the ids, entries
_INDEX_ENTRY_BYTES = 4 + 8  # its size (int32) and its place (int64)


def load_vocabulary(directory: Path | str) -> Dictionary:
    """The dictionary of a data directory; raises :class:`InputError` if its files disagree.

    Stock ``fairseq-preprocess`` writes ``dict.<lang>.txt``, or ``dict.txt`` into each language's folder: all of them
    must be the same vocabulary.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise InputError(f"{directory}: no such directory; give one written by preprocess.binarize")
    if (directory / CORPORA_FILE).exists():
        dictionary = load_dictionary(directory / DICT_FILE)
        recorded = Corpora.read(directory).vocabulary_checksum
        if recorded != checksum(dictionary):
            raise InputError(
                f"{directory / CORPORA_FILE}: was written with another vocabulary than {directory / DICT_FILE}; "
                "binarize the text again with this vocabulary"
            )
        return dictionary
    paths = [directory / DICT_FILE, *sorted(directory.glob("dict.*.txt")), *sorted(directory.glob(f"*/{DICT_FILE}"))]
    paths = [path for path in paths if path.is_file()]
    if not paths:
        return load_dictionary(directory / DICT_FILE)  # says that it is missing
    dictionary = load_dictionary(paths[0])
    for path in paths[1:]:
        if checksum(load_dictionary(path)) != checksum(dictionary):
            raise InputError(f"{path}: another vocabulary than {paths[0]}; binarize all text with one, by --srcdict")
    return dictionary


def find_corpora(directory: Path | str) -> list[Corpus]:
    """The corpora of a data directory, in a fixed order, with paths relative to it."""
    directory = Path(directory)
    if (directory / CORPORA_FILE).exists():
        return Corpora.read(directory).corpora
    return _stock_mono(directory) + _stock_pairs(directory)


def _stock_mono(directory: Path) -> list[Corpus]:
    """``<lang>/<split>.{bin,idx}``, as for fairseq's multilingual_denoising."""
    corpora = []
    for folder in sorted(path for path in directory.iterdir() if path.is_dir() and not path.name.startswith(".")):
        files = sorted(folder.glob("*.idx"))
        if files:
            splits = {file.stem: Split(source=f"{folder.name}/{file.stem}") for file in files if "." not in file.stem}
            corpora.append(Corpus(folder.name, Kind.MONO, folder.name, folder.name, splits))
    return corpora


def _stock_pairs(directory: Path) -> list[Corpus]:
    """``<split>.<source>-<target>.<lang>.{bin,idx}``, as for fairseq's translation."""
    corpora: dict[str, Corpus] = {}
    for file in sorted(directory.glob("*.idx")):
        match = _PAIR_FILE.fullmatch(file.name)
        if match is None:
            continue
        split, source, target = match.group("split", "source", "target")
        name = f"{source}-{target}"
        sides = [f"{split}.{name}.{lang}" for lang in (source, target)]
        for other in sides:
            if not (directory / f"{other}.idx").exists():
                raise InputError(f"{file}: its other side {other}.idx is missing; binarize the pair again")
        corpus = corpora.setdefault(name, Corpus(name, Kind.PAIR, source, target))
        corpus.splits[split] = Split(source=sides[0], target=sides[1])
    return list(corpora.values())


def check_languages(corpora: list[Corpus], langs: list[str], directory: Path | str) -> None:
    """Raise :class:`InputError` if a corpus is in a language that has no token."""
    for corpus in corpora:
        for lang in (corpus.source_lang, corpus.target_lang):
            if lang not in langs:
                check_code(lang)
                raise InputError(
                    f"{directory}: corpus {corpus.name} is in {lang!r}, which is not in --langs {','.join(langs)}; "
                    f"use --langs {','.join([*langs, lang])}, or leave the corpus out with --corpora"
                )


def load_side(directory: Path | str, prefix: str, dictionary: Dictionary, combine: bool = False):
    """The indexed file ``prefix`` of ``directory``, memory-mapped.

    Args:
        directory: the data directory.
        prefix: path in it, without ``.bin``/``.idx``; ``train.zh-bo.zh`` is followed by ``train1.zh-bo.zh`` and so on
            if ``combine``.
        dictionary: pieces only; an id beyond it is refused.
        combine: fairseq's: read ``train``, ``train1``, ``train2``, ... as one.

    Returns:
        a dataset of 1-d LongTensors with ``sizes`` (tokens, ``</s>`` included).
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


def _open(path: str, dictionary: Dictionary) -> indexed_dataset.MMapIndexedDataset:
    """One indexed file; raises :class:`InputError` if it is missing, damaged, or has ids that are not pieces."""
    for file in (f"{path}.idx", f"{path}.bin"):
        if not os.path.exists(file):
            raise InputError(f"{file}: missing; binarize the text again")
    if os.path.getsize(f"{path}.bin") == 0:
        raise InputError(f"{path}.bin: has no samples; leave the corpus out with --corpora")
    check_index(path)
    data = indexed_dataset.MMapIndexedDataset(path)
    _check_data_file(path, data, int(data.sizes.sum()), dictionary)
    return data


def check_index(path: Path | str) -> None:
    """Raise :class:`InputError` if ``path.idx`` is not a whole index; fairseq's own class fails with a traceback."""
    file = f"{path}.idx"
    with open(file, "rb") as stream:
        header = stream.read(_INDEX_HEADER.size)
    magic = indexed_dataset.MMapIndexedDataset.Index._HDR_MAGIC
    if header[: len(magic)] != magic:
        raise InputError(f"{file}: not a memory-mapped index; binarize the text again, with --dataset-impl mmap")
    _, _, _, entries = _INDEX_HEADER.unpack(header.ljust(_INDEX_HEADER.size, b"\0"))
    wanted = _INDEX_HEADER.size + entries * _INDEX_ENTRY_BYTES
    if os.path.getsize(file) != wanted:
        raise InputError(f"{file}: {os.path.getsize(file)} bytes instead of {wanted}; binarize the text again")


def _check_data_file(path: str, data: indexed_dataset.MMapIndexedDataset, tokens: int, dictionary: Dictionary) -> None:
    """Raise :class:`InputError` if the data file's length or its ids do not fit."""
    dtype = np.dtype(data._index.dtype)
    found = os.path.getsize(f"{path}.bin")
    if found != tokens * dtype.itemsize:
        raise InputError(
            f"{path}.bin: {found} bytes, its index says {tokens * dtype.itemsize}; binarize the text again"
        )
    if tokens and int(np.memmap(f"{path}.bin", dtype, "r").max()) >= len(dictionary):
        raise InputError(
            f"{path}.bin: has ids beyond the {len(dictionary)} entries of the dictionary; "
            "it was made with another vocabulary, binarize the text again"
        )
