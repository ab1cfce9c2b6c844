"""Tokenizer for languages with spaces between words, in all their scripts."""

from swcm_fairseq.scoring.tokenizers.base import DECIMAL, HAN, WORD, PatternTokenizer, compile_pattern


class Words(PatternTokenizer):
    """Runs of letters, marks and digits: Uyghur, Kazakh and Mongolian in Arabic, Cyrillic, Latin or Mongolian script.

    In traditional Mongolian, a word continues across the vowel separator (U+180E) and the variation selectors, which
    are ignored in comparisons. A suffix after the narrow no-break space (U+202F) is a separate word, because
    sentencepiece turns that space into an ordinary one.
    """

    name = "word"
    pattern = compile_pattern(DECIMAL, HAN, WORD)
