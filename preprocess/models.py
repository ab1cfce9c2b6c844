"""Sentencepiece models as data: which pieces they hold, taking out and putting in."""

import io
import os
from pathlib import Path

import sentencepiece
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]

from preprocess.databin import PARTIAL
from swcm_fairseq.data.languages import DEFAULT_LANGS, language_token
from swcm_fairseq.data.vocabulary import (
    DICT_FILE,
    MASK,
    SENTENCEPIECE_FILE,
    checksum,
    dictionary_from_sentencepiece,
    load_dictionary,
)
from swcm_fairseq.errors import InputError

NORMAL, UNKNOWN, CONTROL, USER_DEFINED = (
    ModelProto.SentencePiece.NORMAL,
    ModelProto.SentencePiece.UNKNOWN,
    ModelProto.SentencePiece.CONTROL,
    ModelProto.SentencePiece.USER_DEFINED,
)


def reserved_symbols(langs: tuple[str, ...] = ()) -> set[str]:
    """Strings that no piece may be spelled like: text would turn into special symbols."""
    return {"<s>", "<pad>", "</s>", "<unk>", MASK, *(language_token(lang) for lang in (*DEFAULT_LANGS, *langs))}


def processor_of(model: ModelProto) -> sentencepiece.SentencePieceProcessor:
    """A processor for an edited model."""
    return sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString(deterministic=True))


def write_vocabulary(directory: Path | str, model: ModelProto) -> None:
    """Write ``sentencepiece.bpe.model`` and ``dict.txt``, the dictionary last and both atomically.

    Raises:
        InputError: the directory holds another vocabulary, or cannot be written.
    """
    directory = Path(directory)
    dictionary = dictionary_from_sentencepiece(processor_of(model))
    lines = io.StringIO()
    dictionary.save(lines)
    path = directory / DICT_FILE
    if path.exists() and checksum(load_dictionary(path)) != checksum(dictionary):
        raise InputError(f"{directory}: holds another vocabulary already; remove it or give another --output")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        _write(directory / SENTENCEPIECE_FILE, model.SerializeToString(deterministic=True))
        _write(path, lines.getvalue().encode("utf-8"))
    except OSError as error:
        raise InputError(f"{directory}: {error.strerror}; give a directory that can be written") from error


def _write(path: Path, content: bytes) -> None:
    partial = path.with_name(path.name + PARTIAL)
    partial.write_bytes(content)
    os.replace(partial, path)
