"""Tokenizer for Chinese characters."""

from swcm_fairseq.scoring.tokenizers.base import DECIMAL, HAN, WORD, PatternTokenizer, compile_pattern


class ChineseCharacters(PatternTokenizer):
    """Every Chinese character is a token; Latin words and numbers are kept whole (``iphone15``, ``3.14``)."""

    name = "zh-char"
    pattern = compile_pattern(HAN, DECIMAL, WORD)
