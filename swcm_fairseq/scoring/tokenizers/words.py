"""Words of languages that put spaces between them, in every script that they are written in."""

from swcm_fairseq.scoring.tokenizers.base import DECIMAL, HAN, WORD, PatternTokenizer, compile_pattern


class Words(PatternTokenizer):
    """Runs of letters, marks and digits: Uyghur, Kazakh, Mongolian in Arabic, Cyrillic, Latin, Mongolian script.

    In traditional Mongolian a word continues across the vowel separator (U+180E) and the variation selectors,
    which do not count as differences; a suffix after the narrow no-break space (U+202F) is a separate word,
    because sentencepiece turns that space into an ordinary one.
    """

    name = "word"
    pattern = compile_pattern(DECIMAL, HAN, WORD)
