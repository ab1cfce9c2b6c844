"""A sentencepiece model and the dictionary that maps its pieces to the encoder's ids.

Ids are those of XLM-R: ``<s>`` 0, ``<pad>`` 1, ``</s>`` 2, ``<unk>`` 3, then the pieces in the model's order, then
``<mask>``, then the language tokens. ``dict.txt`` lists only the pieces; the rest is added when it is loaded.
A vocabulary directory contains ``sentencepiece.bpe.model`` and ``dict.txt``.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import sentencepiece

from swcm_fairseq.data.languages import DEFAULT_LANGS, language_token
from swcm_fairseq.data.piece_list import PieceList
from swcm_fairseq.errors import InputError

if TYPE_CHECKING:  # fairseq's dictionary and ours have the same symbols; this module handles both
    from swcm_fairseq.data.dictionary import MultilingualDictionary

MASK = "<mask>"
DICT_FILE = "dict.txt"
SENTENCEPIECE_FILE = "sentencepiece.bpe.model"


def load_dictionary(path: Path | str) -> PieceList:
    """Read ``dict.txt``; raises :class:`InputError` if it is missing, empty or not a dictionary."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such dictionary; give a directory written by swcm vocab")
    dictionary = PieceList.load(path)
    if len(dictionary) == dictionary.nspecial:
        raise InputError(f"{path}: the dictionary is empty; write it with swcm vocab")
    return dictionary


def checksum(dictionary: "PieceList | MultilingualDictionary") -> str:
    """SHA-256 (hex) of the pieces in order, without fairseq's four specials, ``<mask>`` and language tokens.

    Counts are ignored, so a dictionary copied by fairseq-preprocess has the same checksum.
    """
    end = dictionary.index(MASK) if MASK in dictionary else len(dictionary)
    pieces = dictionary.symbols[dictionary.nspecial : end]
    return hashlib.sha256("\n".join(pieces).encode("utf-8", "surrogatepass")).hexdigest()


def add_special_symbols(dictionary: "PieceList | MultilingualDictionary", langs: Sequence[str]) -> None:
    """Append ``<mask>`` and the language tokens, in the order given.

    Raises:
        InputError: a piece is spelled like one of them, so plain text could switch the language, or a language is
            given twice.
    """
    if MASK in dictionary:
        raise InputError(
            f"the dictionary contains {MASK!r}; remove that line from {DICT_FILE} (it is added on loading)"
        )
    dictionary.num_pieces = len(dictionary)
    dictionary.add_symbol(MASK)
    for code in langs:
        token = language_token(code)
        if token in dictionary:
            raise InputError(
                f"the dictionary already has {token!r}, as a piece or because --langs {','.join(langs)} repeats "
                "it; name each language once and train the vocabulary without that string"
            )
        dictionary.add_symbol(token)
    dictionary.language_ids = frozenset(range(dictionary.num_pieces + 1, len(dictionary)))


def remove_special_symbols(dictionary: "PieceList | MultilingualDictionary") -> None:
    """Undo :func:`add_special_symbols`, if it was called, so that other language tokens can be added."""
    for symbol in dictionary.symbols[dictionary.num_pieces :]:
        del dictionary.indices[symbol]
    del dictionary.symbols[len(dictionary.indices) :], dictionary.count[len(dictionary.indices) :]


def dictionary_from_sentencepiece(processor: sentencepiece.SentencePieceProcessor) -> PieceList:
    """The pieces of a sentencepiece model in their order, without its control and unknown symbols."""
    dictionary = PieceList()
    for i in range(processor.get_piece_size()):
        if not (processor.is_control(i) or processor.is_unknown(i)):
            dictionary.add_symbol(processor.id_to_piece(i))
    return dictionary


class Vocabulary:
    """Converts text to ids and back with the vocabulary in one directory.

    Attributes:
        dictionary: the specials and the pieces.
        processor: the sentencepiece model.
        piece_ids: sentencepiece id -> dictionary id, int64, shape (pieces,); ``<unk>`` for control symbols.

    Raises:
        InputError: a file is missing or damaged, or a piece of the model is not in the dictionary or is spelled like a
            special symbol.
    """

    def __init__(self, directory: Path | str):
        self.directory = Path(directory)
        self.dictionary = load_dictionary(self.directory / DICT_FILE)
        self.processor = load_sentencepiece(self.directory / SENTENCEPIECE_FILE)
        self.piece_ids = self._piece_ids()

    def _piece_ids(self) -> np.ndarray:
        specials = self.dictionary.symbols[: self.dictionary.nspecial]
        reserved = {*specials, MASK, *map(language_token, DEFAULT_LANGS)}
        ids = np.full(self.processor.get_piece_size(), self.dictionary.unk(), dtype=np.int64)
        for i in range(len(ids)):
            if self.processor.is_control(i) or self.processor.is_unknown(i):
                continue
            piece = self.processor.id_to_piece(i)
            if piece in reserved:
                raise InputError(
                    f"{self.directory / SENTENCEPIECE_FILE}: has the piece {piece!r}, so plain text could contain a "
                    "special symbol; train the vocabulary without it"
                )
            if piece not in self.dictionary:
                raise InputError(
                    f"{self.directory / DICT_FILE}: lacks the piece {piece!r} of {SENTENCEPIECE_FILE}; "
                    "the two files belong to different vocabularies"
                )
            ids[i] = self.dictionary.index(piece)
        return ids

    def encode(self, lines: Sequence[str]) -> list[np.ndarray]:
        """Ids of each line, int64, without ``<s>`` and ``</s>``. Special symbols written in the text stay text."""
        return [self.piece_ids[np.asarray(ids, dtype=np.int64)] for ids in self.processor.encode(list(lines))]

    def decode(self, ids: Sequence[int]) -> str:
        """The text of dictionary ids; ids that are not pieces (specials, language tokens) are omitted."""
        pieces = [self.dictionary[int(i)] for i in ids if self.dictionary.nspecial <= int(i) < len(self.dictionary)]
        return self.processor.decode_pieces(pieces)

    @property
    def checksum(self) -> str:
        """See :func:`checksum`."""
        return checksum(self.dictionary)


def load_sentencepiece(path: Path | str) -> sentencepiece.SentencePieceProcessor:
    """Load a sentencepiece model; raises :class:`InputError` if it is missing or damaged."""
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such sentencepiece model; give a directory written by swcm vocab")
    try:
        return sentencepiece.SentencePieceProcessor(model_file=str(path))
    except (RuntimeError, OSError) as error:
        raise InputError(f"{path}: not a sentencepiece model: {error}") from error
