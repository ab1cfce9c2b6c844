"""The header of fairseq's ``.idx`` files (``mmap`` format), for code that reads or writes them without fairseq."""

import struct

import numpy as np

MAGIC = b"MMIDIDX\x00\x00"
VERSION = 1
HEADER = struct.Struct("<9sQBQ")  # magic, version, id type, number of entries
ENTRY_BYTES = 4 + 8  # size (int32) and offset (int64) of an entry
# Codes of the integer types; 6 and 7 are floating point.
DTYPES = {1: np.uint8, 2: np.int8, 3: np.int16, 4: np.int32, 5: np.int64, 8: np.uint16, 9: np.uint32, 10: np.uint64}
_UINT16_BELOW = 65_500  # the limit in fairseq-preprocess


def ids_dtype(vocabulary_size: int) -> np.dtype:
    """The type that fairseq-preprocess uses for the ids of a vocabulary of this size."""
    return np.dtype(np.uint16 if vocabulary_size < _UINT16_BELOW else np.uint32)


def header(dtype: np.dtype, entries: int) -> bytes:
    """The header of an index, as bytes."""
    [code] = [code for code, kind in DTYPES.items() if dtype == kind]
    return HEADER.pack(MAGIC, VERSION, code, entries)
