"""Open a data directory: its corpora, its vocabulary, and its indexed files.

Callers see no difference between a directory with ``corpora.json`` and one written by stock ``fairseq-preprocess``.
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

    Stock ``fairseq-preprocess`` writes ``dict.<lang>.txt``, or a ``dict.txt`` in each language's folder; all of these
    must contain the same vocabulary.
    """
    directory = Path(directory)
    if not directory.is_dir():
        raise InputError(f"{directory}: no such directory; give one written by swcm binarize")
    if (directory / CORPORA_FILE).exists():
        dictionary = load_dictionary(directory / DICT_FILE)
        recorded = Corpora.read(directory).vocabulary_checksum
        if recorded != checksum(dictionary):
            raise InputError(
                f"{directory / CORPORA_FILE}: was not written with the vocabulary in {directory / DICT_FILE}; "
                "binarize the text again with this vocabulary"
            )
        return dictionary
    paths = [directory / DICT_FILE, *sorted(directory.glob("dict.*.txt")), *sorted(directory.glob(f"*/{DICT_FILE}"))]
    paths = [path for path in paths if path.is_file()]
    if not paths:
        return load_dictionary(directory / DICT_FILE)  # raises: the file is missing
    dictionary = load_dictionary(paths[0])
    for path in paths[1:]:
        if checksum(load_dictionary(path)) != checksum(dictionary):
            raise InputError(
                f"{path}: is not the vocabulary in {paths[0]}; binarize all text with the same vocabulary (--srcdict)"
            )
    return dictionary


def find_corpora(directory: Path | str) -> list[Corpus]:
    """The corpora of a data directory, in a fixed order, with paths relative to it."""
    directory = Path(directory)
    if (directory / CORPORA_FILE).exists():
        return Corpora.read(directory).corpora
    return _stock_mono(directory) + _stock_pairs(directory)


def _stock_mono(directory: Path) -> list[Corpus]:
    """Corpora stored as ``<lang>/<split>.{bin,idx}``, as fairseq's multilingual_denoising expects them."""
    corpora = []
    for folder in sorted(path for path in directory.iterdir() if path.is_dir() and not path.name.startswith(".")):
        files = sorted(folder.glob("*.idx"))
        if files:
            splits = {file.stem: Split(source=f"{folder.name}/{file.stem}") for file in files if "." not in file.stem}
            corpora.append(Corpus(folder.name, Kind.MONO, folder.name, folder.name, splits))
    return corpora


def _stock_pairs(directory: Path) -> list[Corpus]:
    """Corpora stored as ``<split>.<source>-<target>.<lang>.{bin,idx}``, as fairseq's translation expects them."""
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
    """Check that an indexed file is intact; fairseq's own class would fail with a traceback or read wrong tokens.

    Args:
        path: path of the file, without ``.bin``/``.idx``.

    Returns:
        the type of its ids, and the tokens per sample, int32, shape (samples,).

    Raises:
        InputError: a file is missing or empty, the index has an unknown format or version or does not match the data
            file, or the checksum differs from the recorded one.
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
        raise InputError(
            f"{index}: damaged: the offsets of its samples do not match their sizes; binarize the text again"
        )
    if data.stat().st_size != int(ends[-1]):
        raise InputError(
            f"{data}: has {data.stat().st_size} bytes, but its index says {ends[-1]}; binarize the text again"
        )
    recorded = _recorded_checksum(index)
    if recorded and recorded != data_checksum(path):
        raise InputError(
            f"{data}: this file or its index does not match the checksum in {CORPORA_FILE}; binarize the text again"
        )
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
        raise InputError(f"{index}: has {found} bytes instead of {wanted}; binarize the text again")
    dtype = DTYPES.get(code)
    if version != VERSION or dtype is None:
        raise InputError(f"{index}: unknown version {version} or id type {code}; binarize the text again")
    return np.dtype(dtype), entries


def data_checksum(path: Path | str) -> str:
    """CRC-32 of ``path.idx`` and of ``path.bin``, in hexadecimal: enough to detect damage, and as fast as the disk."""
    sums = []
    for extension in ("idx", "bin"):
        crc = 0
        with open(f"{path}.{extension}", "rb") as file:
            while chunk := file.read(_CHUNK_BYTES):
                crc = zlib.crc32(chunk, crc)
        sums.append(f"{crc:08x}")
    return "".join(sums)


def _recorded_checksum(index: Path) -> str:
    """The checksum of an index in ``corpora.json`` of its folder or the parent folder; "" if none is recorded."""
    for folder in (index.parent, index.parent.parent):
        file = folder / CORPORA_FILE
        if file.is_file():
            known = _recorded_checksums(folder, file.stat().st_mtime_ns)
            return known.get(index.relative_to(folder).with_suffix("").as_posix(), "")
    return ""


@functools.lru_cache(maxsize=8)
def _recorded_checksums(directory: Path, _: int) -> dict[str, str]:
    """Path in a data directory -> checksum; the second argument, the time of ``corpora.json``, renews the cache."""
    splits = [split for corpus in Corpora.read(directory).corpora for split in corpus.splits.values()]
    return {split.source: split.source_checksum for split in splits} | {
        split.target: split.target_checksum for split in splits if split.target is not None
    }
