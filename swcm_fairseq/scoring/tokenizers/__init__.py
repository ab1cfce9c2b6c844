"""Tokenizers for scoring, one per file; the language table assigns one to each language."""

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from swcm_fairseq.data.languages import LANGUAGES, language
from swcm_fairseq.errors import InputError

if TYPE_CHECKING:
    from swcm_fairseq.scoring.tokenizers.base import Tokenizer

# Name -> module and class. Imported on demand, because their base, rouge-score, takes a second to import.
_TOKENIZERS = {
    "bo-botok": "tibetan_words.TibetanWords",
    "bo-syllable": "tibetan.TibetanSyllables",
    "rouge-score": "latin.RougeScoreDefault",
    "word": "words.Words",
    "zh-char": "chinese.ChineseCharacters",
}
_SENTENCEPIECE = "sentencepiece"

TOKENIZER_NAMES = (*_TOKENIZERS, _SENTENCEPIECE)


def known_languages() -> list[str]:
    """The languages with a tokenizer in the language table."""
    return [row.code for row in LANGUAGES.values() if row.rouge]


def language_tokenizer(code: str) -> str:
    """The name of a language's tokenizer; raises :class:`InputError` if the table has none."""
    name = language(code).rouge
    if not name:
        raise InputError(
            f"no tokenizer is known for the language {code!r} (known: {', '.join(known_languages())}); "
            f"choose a tokenizer ({', '.join(TOKENIZER_NAMES)}), for example word"
        )
    return name


def build_tokenizer(code: str, name: str | None = None, sentencepiece_model: Path | None = None) -> "Tokenizer":
    """Make the tokenizer ``name``, or that of the language ``code``.

    Args:
        code: language code of the references.
        name: one of :data:`TOKENIZER_NAMES`; ``None`` selects the language's own.
        sentencepiece_model: the ``.model`` file, for ``sentencepiece`` only.

    Raises:
        InputError: the language or tokenizer is unknown, or a sentencepiece model is missing or superfluous.
    """
    name = name or language_tokenizer(code)
    if (name == _SENTENCEPIECE) != (sentencepiece_model is not None):
        raise InputError("give the sentencepiece tokenizer and a sentencepiece model together, or neither")
    if sentencepiece_model is not None:
        from swcm_fairseq.scoring.tokenizers.pieces import SentencePieces

        return SentencePieces(sentencepiece_model)
    if name not in _TOKENIZERS:
        raise InputError(f"unknown tokenizer {name!r}: choose one of {', '.join(TOKENIZER_NAMES)}")
    module, _, cls = _TOKENIZERS[name].partition(".")
    return vars(import_module(f"{__name__}.{module}"))[cls]()
