"""Tokenizer for Tibetan syllables, the text between tsheg, shad and spaces."""

from swcm_fairseq.data.spelling import TIBETAN_SYLLABLE
from swcm_fairseq.scoring.tokenizers.base import DECIMAL, HAN, PatternTokenizer, compile_pattern

OTHER_WORD = r"[[\p{L}\p{M}\p{N}]--[\p{Han}\p{Tibetan}]]+"


class TibetanSyllables(PatternTokenizer):
    """Every syllable is a token; words in other scripts are kept whole, and Chinese is split into characters."""

    name = "bo-syllable"
    pattern = compile_pattern(TIBETAN_SYLLABLE, DECIMAL, HAN, OTHER_WORD)
