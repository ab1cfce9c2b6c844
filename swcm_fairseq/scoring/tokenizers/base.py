"""The base of all tokenizers: normalize, keep unknown pieces separate, then apply the tokenizer's own rule."""

from abc import abstractmethod

import regex
from rouge_score.tokenizers import Tokenizer as RougeScoreTokenizer

from swcm_fairseq.data.spelling import normalize

# fairseq writes unknown pieces as <<unk>> in references and as <unk> in hypotheses, so that they never match. They are
# kept whole, because the word "unk" would match.
_UNKNOWN = regex.compile(r"(<<unk>>|<unk>)")

# Parts of the tokenizers' patterns. None contains punctuation or symbols, which rouge-score does not count either.
DECIMAL = r"\p{Nd}+(?:[.,٫٬]\p{Nd}+)+"  # 3.14 and 12,345 are one token
HAN = r"\p{Han}"  # every tokenizer makes each Chinese character a token, also inside other languages
WORD = r"[[\p{L}\p{M}\p{N}]--\p{Han}]+"


class Tokenizer(RougeScoreTokenizer):
    """Splits a text into the units to compare; instances serve as rouge-score's ``tokenizer`` argument.

    Attributes:
        name: ``tok:`` in the signature.
        case: ``case:`` in the signature, ``lc`` (lower case) or ``mixed``.
        norm: ``norm:`` in the signature; ``None`` without Unicode normalization.
    """

    name: str
    case: str = "lc"
    norm: str | None = "nfkc"

    def tokenize(self, text: str) -> list[str]:
        """The tokens of ``text``; marks of unknown pieces are separate tokens."""
        parts = _UNKNOWN.split(text)  # text, mark, text, mark, ..., text
        tokens: list[str] = []
        for position, part in enumerate(parts):
            tokens += [part] if position % 2 else self.split(part)
        return tokens

    @abstractmethod
    def split(self, text: str) -> list[str]:
        """The tokens of a text without unknown pieces."""


class PatternTokenizer(Tokenizer):
    """A tokenizer whose tokens are the matches of one pattern in the normalized text."""

    pattern: regex.Pattern

    def split(self, text: str) -> list[str]:
        """The matches of :attr:`pattern`, in order."""
        return self.pattern.findall(normalize(text))


def compile_pattern(*alternatives: str) -> regex.Pattern:
    """A pattern of ``alternatives``, the first of which that matches wins; VERSION1 enables set difference (``--``)."""
    return regex.compile("|".join(alternatives), regex.VERSION1)
