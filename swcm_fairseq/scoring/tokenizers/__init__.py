"""Tokenizers of the scores, one a file, and the table that chooses one by language."""

import re
from collections.abc import Callable
from pathlib import Path

from swcm_fairseq.data.languages import check_code
from swcm_fairseq.errors import InputError
from swcm_fairseq.scoring.tokenizers.base import Tokenizer
from swcm_fairseq.scoring.tokenizers.chinese import ChineseCharacters
from swcm_fairseq.scoring.tokenizers.latin import RougeScoreDefault
from swcm_fairseq.scoring.tokenizers.pieces import SentencePieces
from swcm_fairseq.scoring.tokenizers.tibetan import TibetanSyllables
from swcm_fairseq.scoring.tokenizers.tibetan_words import TibetanWords
from swcm_fairseq.scoring.tokenizers.words import Words

# language -> name of its tokenizer. A new language that is written with spaces needs one line: "word".
LANGUAGE_TOKENIZERS = {
    "bo": "bo-syllable",
    "en": "rouge-score",
    "kk": "word",
    "mn": "word",
    "ug": "word",
    "zh": "zh-char",
}

_TOKENIZERS: dict[str, Callable[[], Tokenizer]] = {
    "bo-botok": TibetanWords,
    "bo-syllable": TibetanSyllables,
    "rouge-score": RougeScoreDefault,
    "word": Words,
    "zh-char": ChineseCharacters,
}
_SENTENCEPIECE = "sentencepiece"

TOKENIZER_NAMES = (*_TOKENIZERS, _SENTENCEPIECE)


def plain_code(language: str) -> str:
    """``kk_arab`` -> ``kk``; raises :class:`InputError` if ``language`` cannot be a code."""
    return re.split("[_-]", check_code(language))[0]


def language_tokenizer(language: str) -> str:
    """The name of the tokenizer of ``language``; raises :class:`InputError` if the table has none."""
    name = LANGUAGE_TOKENIZERS.get(plain_code(language))
    if name is None:
        raise InputError(
            f"no tokenizer is known for the language {language!r} (known: {', '.join(LANGUAGE_TOKENIZERS)}); "
            f"choose one of {', '.join(TOKENIZER_NAMES)} yourself, for example word"
        )
    return name


def build_tokenizer(language: str, name: str | None = None, sentencepiece_model: Path | None = None) -> Tokenizer:
    """Make the tokenizer ``name``, or the one of ``language``.

    Args:
        language: ISO 639 code of the references.
        name: one of :data:`TOKENIZER_NAMES`; ``None`` takes the language's own.
        sentencepiece_model: the ``.model`` file, for ``sentencepiece`` only.

    Raises:
        InputError: unknown language or tokenizer, or a sentencepiece model missing or given for nothing.
    """
    name = name or language_tokenizer(language)
    if (name == _SENTENCEPIECE) != (sentencepiece_model is not None):
        raise InputError("the sentencepiece tokenizer and a sentencepiece model go together: give both or neither")
    if sentencepiece_model is not None:
        return SentencePieces(sentencepiece_model)
    if name not in _TOKENIZERS:
        raise InputError(f"unknown tokenizer {name!r}: choose one of {', '.join(TOKENIZER_NAMES)}")
    return _TOKENIZERS[name]()
