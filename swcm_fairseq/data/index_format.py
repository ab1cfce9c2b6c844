"""The head of fairseq's ``.idx`` files (its ``mmap`` format), for what reads or writes them without fairseq."""

import struct

import numpy as np

MAGIC = b"MMIDIDX\x00\x00"
VERSION = 1
HEADER = struct.Struct("<9sQBQ")  # magic, version, type of the ids, entries
ENTRY_BYTES = 4 + 8  # an entry's size (int32) and its place (int64)
# The codes of the integer types; 6 and 7 are floating point.
DTYPES = {1: np.uint8, 2: np.int8, 3: np.int16, 4: np.int32, 5: np.int64, 8: np.uint16, 9: np.uint32, 10: np.uint64}
_UINT16_BELOW = 65_500  # as fairseq-preprocess chooses


def ids_dtype(vocabulary_size: int) -> np.dtype:
    """The number type that fairseq-preprocess stores the ids of a vocabulary in."""
    return np.dtype(np.uint16 if vocabulary_size < _UINT16_BELOW else np.uint32)


def header(dtype: np.dtype, entries: int) -> bytes:
    """The first bytes of an index."""
    [code] = [code for code, kind in DTYPES.items() if dtype == kind]
    return HEADER.pack(MAGIC, VERSION, code, entries)
