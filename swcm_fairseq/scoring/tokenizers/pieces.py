"""A tokenizer for any language, defined by a sentencepiece model."""

import hashlib
from pathlib import Path

import sentencepiece

from swcm_fairseq.errors import InputError
from swcm_fairseq.scoring.tokenizers.base import Tokenizer


class SentencePieces(Tokenizer):
    """The pieces into which a model splits the text; the signature contains the first 8 digits of the file's SHA-256.

    Args:
        model: path of a ``.model`` file.

    Raises:
        InputError: the file does not exist, or sentencepiece cannot read it.
    """

    case = "mixed"
    norm = None  # the model's own rules, which its hash identifies

    def __init__(self, model: Path) -> None:
        try:
            content = model.read_bytes()
        except OSError as error:
            raise InputError(f"{model}: cannot read the sentencepiece model ({error.strerror})") from error
        try:
            self.processor = sentencepiece.SentencePieceProcessor(model_proto=content)
        except RuntimeError as error:
            raise InputError(f"{model}: not a sentencepiece model; give the .model file, not the .vocab") from error
        self.name = f"sentencepiece-{hashlib.sha256(content).hexdigest()[:8]}"

    def split(self, text: str) -> list[str]:
        """Pieces as strings, so that different unknown characters remain different."""
        return self.processor.encode(text, out_type=str)
