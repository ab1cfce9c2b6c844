"""What every tokenizer does: normalize, keep unknown pieces separate, then apply its own rule."""

from abc import abstractmethod

import regex
from rouge_score.tokenizers import Tokenizer as RougeScoreTokenizer

from swcm_fairseq.data.spelling import normalize

# fairseq writes an unknown piece of a reference as <<unk>> and one of a hypothesis as <unk>, so that the two
# never match. They stay whole here; as the word "unk" they would match.
_UNKNOWN = regex.compile(r"(<<unk>>|<unk>)")

# Parts of the tokenizers' patterns. None contains punctuation or symbols: like rouge-score, no
# tokenizer counts them.
DECIMAL = r"\p{Nd}+(?:[.,٫٬]\p{Nd}+)+"  # 3.14 and 12,345 are one token
HAN = r"\p{Han}"  # one character, one token, whatever the tokenizer: Chinese inside another language
WORD = r"[[\p{L}\p{M}\p{N}]--\p{Han}]+"


class Tokenizer(RougeScoreTokenizer):
    """Splits a text into the units that are compared; an instance is rouge-score's ``tokenizer`` argument.

    Attributes:
        name: what the signature says after ``tok:``.
        case: what the signature says after ``case:``, ``lc`` (lower case) or ``mixed``.
        norm: what the signature says after ``norm:``; ``None`` without Unicode normalization.
    """

    name: str
    case: str = "lc"
    norm: str | None = "nfkc"

    def tokenize(self, text: str) -> list[str]:
        """The tokens of ``text``; the marks of unknown pieces are separate tokens."""
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
    """A pattern of ``alternatives``, of which the first match wins; VERSION1 enables set difference (``--``)."""
    return regex.compile("|".join(alternatives), regex.VERSION1)
