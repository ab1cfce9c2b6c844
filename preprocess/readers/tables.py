"""Read Parquet and Arrow files, in which the ``datasets`` library and the Hugging Face hub store corpora."""

import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType

from swcm_fairseq.errors import InputError

# First bytes -> kind of file: Parquet, Arrow, and the Arrow stream that `datasets` writes.
_MAGIC = {b"PAR1": "Parquet", b"ARROW1": "Arrow", b"\xff\xff\xff\xff": "Arrow"}
_ENDINGS = (".parquet", ".arrow")
_ROWS = 1000  # rows in memory at a time
# Names of the parts of a split: train-00000-of-00003.parquet, or data-00000-of-00001.arrow from save_to_disk.
_PART = re.compile(r"-\d+-of-\d+$")


def is_table(path: Path) -> bool:
    """Whether a path is a regular file that begins like Parquet or Arrow."""
    return path.is_file() and _start(path) is not None


def _start(path: Path) -> bytes | None:
    """The first bytes that identify the kind of a file, or None."""
    try:
        with open(path, "rb") as file:
            start = file.read(8)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    return next((magic for magic in _MAGIC if start.startswith(magic)), None)


def table_files(paths: list[Path]) -> list[Path]:
    """The files; for a folder, all Parquet and Arrow files in it, sorted by name.

    Raises:
        InputError: a folder contains no such files, or files of several splits.
    """
    files: list[Path] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        found = sorted(each for each in path.rglob("*") if each.suffix in _ENDINGS and each.is_file())
        splits = sorted({str(each.with_name(_PART.sub("", each.stem)).relative_to(path)) for each in found})
        if not found:
            raise InputError(f"{path}: contains no .parquet or .arrow files; give the files or folder of one split")
        if len(splits) > 1:
            raise InputError(f"{path}: has more than one split ({', '.join(splits)}); give the files of one as --input")
        files += found
    return files


def table_rows(path: Path) -> Iterator[tuple[tuple[str, int], dict]]:
    """Rows of a Parquet or Arrow file: (file, row number from 1) and column -> value.

    Raises:
        InputError: the file is neither Parquet nor Arrow, is damaged, or pyarrow is missing.
    """
    start = _start(path)
    if start is None:
        raise InputError(f"{path}: neither Parquet nor Arrow by its first bytes; give another file or format")
    arrow = _pyarrow(path)
    number = 0
    try:
        for batch in _batches(arrow, path, start):
            batch.validate(full=True)  # pyarrow would trust wrong offsets in a damaged file and crash
            for row in batch.to_pylist():
                number += 1
                yield (str(path), number), row
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: damaged {_MAGIC[start]} file: text that is not UTF-8; download it again") from error
    except (arrow.ArrowException, OSError, ValueError) as error:
        raise InputError(f"{path}: damaged {_MAGIC[start]} file: {error}; download it again") from error


def _pyarrow(path: Path) -> ModuleType:
    try:
        import pyarrow.ipc
        import pyarrow.parquet
    except ImportError as error:
        raise InputError(f"{path}: reading Parquet and Arrow needs pyarrow: pip install pyarrow") from error
    return pyarrow


def _batches(arrow: ModuleType, path: Path, start: bytes) -> Iterator:
    """Yield up to :data:`_ROWS` rows at a time; Arrow files are memory-mapped."""
    with ExitStack() as stack:
        if start == b"PAR1":
            file = stack.enter_context(arrow.parquet.ParquetFile(path))
            yield from file.iter_batches(batch_size=_ROWS)
        else:
            source = stack.enter_context(arrow.memory_map(str(path)))
            if start == b"ARROW1":
                reader = stack.enter_context(arrow.ipc.open_file(source))
                batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
            else:
                batches = iter(stack.enter_context(arrow.ipc.open_stream(source)))
            for batch in batches:
                yield from (batch.slice(first, _ROWS) for first in range(0, batch.num_rows, _ROWS))
