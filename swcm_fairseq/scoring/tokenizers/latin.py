"""rouge-score's own tokenizer, for comparison with published results on English."""

from rouge_score.tokenizers import DefaultTokenizer

from swcm_fairseq.scoring.tokenizers.base import Tokenizer


class RougeScoreDefault(Tokenizer):
    """Runs of ``[a-z0-9]`` in the lower-cased text, without stemming; every other letter is dropped."""

    name = "rouge-score"
    norm = None

    def __init__(self) -> None:
        self.default = DefaultTokenizer(use_stemmer=False)

    def split(self, text: str) -> list[str]:
        """The tokens of rouge-score's default tokenizer."""
        return self.default.tokenize(text)
