"""List, remove and add pieces of sentencepiece models."""

import io
from collections.abc import Callable, Iterable
from pathlib import Path

import sentencepiece
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]

from swcm_fairseq.data.languages import DEFAULT_LANGS, language_token
from swcm_fairseq.data.piece_list import SPECIALS
from swcm_fairseq.data.vocabulary import (
    DICT_FILE,
    MASK,
    SENTENCEPIECE_FILE,
    checksum,
    dictionary_from_sentencepiece,
    load_dictionary,
    load_sentencepiece,
)
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.encoder_files import CONFIG_FILE, has_encoder
from swcm_fairseq.output_files import cannot_write, write_whole

NORMAL = ModelProto.SentencePiece.NORMAL
UNKNOWN = ModelProto.SentencePiece.UNKNOWN
CONTROL = ModelProto.SentencePiece.CONTROL


def reserved_symbols(langs: tuple[str, ...] = ()) -> set[str]:
    """Strings that must not be pieces, because text would turn into special symbols."""
    return {*SPECIALS, MASK, *(language_token(lang) for lang in (*DEFAULT_LANGS, *langs))}


def processor_of(model: ModelProto) -> sentencepiece.SentencePieceProcessor:
    """A processor for an edited model."""
    return sentencepiece.SentencePieceProcessor(model_proto=model.SerializeToString(deterministic=True))


def _holds_another(directory: Path, model: ModelProto) -> bool:
    """Whether a directory contains a vocabulary that differs from ``model``, or an encoder without a vocabulary.

    Directories in Hugging Face's layout have no ``dict.txt``. Files left by a run of the same command do not count.
    """
    dictionary, pieces = directory / DICT_FILE, directory / SENTENCEPIECE_FILE
    if dictionary.exists() and checksum(load_dictionary(dictionary)) != checksum(
        dictionary_from_sentencepiece(processor_of(model))
    ):
        return True
    if pieces.exists():
        return pieces.read_bytes() != model.SerializeToString(deterministic=True)
    return not dictionary.exists() and ((directory / CONFIG_FILE).exists() or has_encoder(directory))


def make_vocabulary_directory(directory: Path, model: ModelProto) -> None:
    """Create the directory; raises :class:`InputError` if it contains another vocabulary, or an encoder."""
    try:
        if _holds_another(directory, model):
            raise InputError(
                f"{directory}: already contains another vocabulary, or an encoder; remove it or give another --output"
            )
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise cannot_write(directory, error) from error


def write_sentencepiece(directory: Path, model: ModelProto) -> None:
    """Write ``sentencepiece.bpe.model`` atomically; raises :class:`InputError` if it cannot be written."""
    write_whole(directory / SENTENCEPIECE_FILE, model.SerializeToString(deterministic=True))


def write_vocabulary(directory: Path | str, model: ModelProto) -> None:
    """Write ``sentencepiece.bpe.model`` and then ``dict.txt``, each atomically.

    Raises:
        InputError: the directory contains another vocabulary or an encoder, or cannot be written.
    """
    directory = Path(directory)
    make_vocabulary_directory(directory, model)
    dictionary = dictionary_from_sentencepiece(processor_of(model))
    lines = io.StringIO()
    dictionary.save(lines)
    write_sentencepiece(directory, model)
    write_whole(directory / DICT_FILE, lines.getvalue().encode("utf-8"))


def read_model(directory: Path | str) -> ModelProto:
    """The sentencepiece model of a vocabulary or encoder directory, for editing.

    Raises:
        InputError: the model is missing or damaged, or the ``dict.txt`` next to it lists other pieces.
    """
    path = Path(directory) / SENTENCEPIECE_FILE
    processor = load_sentencepiece(path)
    dictionary = Path(directory) / DICT_FILE
    if dictionary.exists() and checksum(load_dictionary(dictionary)) != checksum(
        dictionary_from_sentencepiece(processor)
    ):
        raise InputError(
            f"{dictionary}: lists other pieces than {path}, so the two belong to different vocabularies; "
            "replace one of them"
        )
    model = ModelProto()
    model.ParseFromString(path.read_bytes())
    return model


def is_special(piece: ModelProto.SentencePiece) -> bool:
    """Whether a piece is ``<unk>``, ``<s>`` or ``</s>``, which are not pieces of text."""
    return piece.type in (CONTROL, UNKNOWN)


def symbols(model: ModelProto) -> list[str]:
    """The symbol of every embedding row of an encoder with this model, in the order of XLM-R's ids: ``<mask>`` last."""
    return [*SPECIALS, *(piece.piece for piece in model.pieces if not is_special(piece)), MASK]


def keep_pieces(model: ModelProto, keep: Callable[[int, ModelProto.SentencePiece], bool]) -> list[str]:
    """Remove the pieces for which ``keep(sentencepiece id, piece)`` is false, in place; return them."""
    chosen = [keep(i, piece) for i, piece in enumerate(model.pieces)]
    removed = [piece.piece for piece, kept in zip(model.pieces, chosen, strict=True) if not kept]
    kept = [piece for piece, is_kept in zip(model.pieces, chosen, strict=True) if is_kept]
    del model.pieces[:]
    model.pieces.extend(kept)
    return removed


def add_pieces(model: ModelProto, pieces: Iterable[str]) -> list[str]:
    """Append, in place, the pieces that the model lacks; return them.

    They get the model's lowest score, which keeps the segmentation of other languages because no new piece scores
    higher than an old one. Strings spelled like special symbols are skipped.
    """
    there = {piece.piece for piece in model.pieces} | reserved_symbols()
    lowest = min(piece.score for piece in model.pieces if not is_special(piece))
    added = []
    for piece in pieces:
        if piece not in there:
            there.add(piece)
            added.append(piece)
            model.pieces.add(piece=piece, score=lowest, type=NORMAL)
    return added
