"""Open a data directory: its corpora, its vocabulary, and the indexed files.

Directories with ``corpora.json`` and directories as stock ``fairseq-preprocess`` writes them look the same afterwards.
"""

import functools
import re
import zlib
from pathlib import Path

import numpy as np

from swcm_fairseq.data.corpora import CORPORA_FILE, Corpora, Corpus, Kind, Split
from swcm_fairseq.data.index_format import DTYPES, ENTRY_BYTES, HEADER, MAGIC, VERSION
from swcm_fairseq.data.languages import check_code
from swcm_fairseq.data.piece_list import PieceList
from swcm_fairseq.data.vocabulary import DICT_FILE, checksum, load_dictionary
from swcm_fairseq.errors import InputError

_PAIR_FILE = re.compile(r"(?P<split>[^.]+)\.(?P<source>[^.-]+)-(?P<target>[^.-]+)\.(?P<side>[^.]+)\.idx")

_CHUNK_BYTES = 1 << 22


def load_vocabulary(directory: Path | str) -> PieceList:
    """The dictionary of a data directory; raises :class:`InputError` if its files disagree.

    Stock ``fairseq-preprocess`` writes ``dict.<lang>.txt``, or ``dict.txt`` into each language's folder: all of them
    must be the same vocabulary.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise InputError(f"{directory}: no such directory; give one written by swcm binarize")
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


def check_index(path: Path | str) -> tuple[np.dtype, np.ndarray]:
    """Check that an indexed file is whole: fairseq's own class fails with a traceback, or reads other tokens.

    Args:
        path: of the file, without ``.bin``/``.idx``.

    Returns:
        the type of its ids, and the sizes of its samples, int32, shape (samples,).

    Raises:
        InputError: a file is missing, empty or no index of this version; its sizes and places are not those of the
            data file; or it is not the file that was written.
    """
    index, data = Path(f"{path}.idx"), Path(f"{path}.bin")
    for file in (index, data):
        if not file.is_file():
            raise InputError(f"{file}: missing; binarize the text again")
    if data.stat().st_size == 0:
        raise InputError(f"{data}: has no samples; leave the corpus out with --corpora")
    dtype, entries = _read_header(index)
    if not entries:
        raise InputError(f"{index}: has no samples; leave the corpus out with --corpora")
    numbers = np.memmap(index, np.uint8, "r", HEADER.size)
    sizes = numbers[: 4 * entries].view("<i4")
    places = numbers[4 * entries :].view("<i8")
    ends = np.cumsum(sizes, dtype=np.int64) * dtype.itemsize
    if sizes.min() < 1 or places[0] != 0 or not np.array_equal(places[1:], ends[:-1]):
        raise InputError(f"{index}: damaged: the places of its samples are not those of their sizes; binarize again")
    if data.stat().st_size != int(ends[-1]):
        raise InputError(f"{data}: {data.stat().st_size} bytes, its index says {ends[-1]}; binarize the text again")
    recorded = _recorded_checksum(index)
    if recorded and recorded != data_checksum(path):
        raise InputError(f"{data}: it or its index is not the file that {CORPORA_FILE} describes; binarize again")
    return dtype, sizes


def _read_header(index: Path) -> tuple[np.dtype, int]:
    """Type of the ids and number of samples of an index; raises :class:`InputError` if it is not an index."""
    with open(index, "rb") as stream:
        header = stream.read(HEADER.size)
    if not header.startswith(MAGIC):
        raise InputError(f"{index}: not a memory-mapped index; binarize the text again, with --dataset-impl mmap")
    _, version, code, entries = HEADER.unpack(header.ljust(HEADER.size, b"\0"))
    found, wanted = index.stat().st_size, HEADER.size + entries * ENTRY_BYTES
    if found != wanted:
        raise InputError(f"{index}: {found} bytes instead of {wanted}; binarize the text again")
    dtype = DTYPES.get(code)
    if version != VERSION or dtype is None:
        raise InputError(f"{index}: version {version} with ids of type {code} is not known; binarize the text again")
    return np.dtype(dtype), entries


def data_checksum(path: Path | str) -> str:
    """CRC-32 of ``path.idx`` and of ``path.bin``, in hexadecimal: enough for damage, and as fast as the disk."""
    sums = []
    for extension in ("idx", "bin"):
        crc = 0
        with open(f"{path}.{extension}", "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                crc = zlib.crc32(chunk, crc)
        sums.append(f"{crc:08x}")
    return "".join(sums)


def _recorded_checksum(index: Path) -> str:
    """What ``corpora.json`` in the folder of an index, or in the one above, says of it; "" if nothing."""
    for folder in (index.parent, index.parent.parent):
        file = folder / CORPORA_FILE
        if file.is_file():
            known = _recorded_checksums(folder, file.stat().st_mtime_ns)
            return known.get(index.relative_to(folder).with_suffix("").as_posix(), "")
    return ""


@functools.lru_cache(maxsize=8)
def _recorded_checksums(directory: Path, _: int) -> dict[str, str]:
    """Path in a data directory -> checksum, as ``corpora.json`` of that time says."""
    splits = [split for corpus in Corpora.read(directory).corpora for split in corpus.splits.values()]
    return {split.source: split.source_checksum for split in splits} | {
        split.target: split.target_checksum for split in splits if split.target is not None
    }
