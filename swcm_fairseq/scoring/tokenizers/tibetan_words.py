"""Tokenizer for Tibetan words, which uses the optional package botok and its word list."""

import hashlib
import importlib.util
from importlib.metadata import version
from pathlib import Path

from swcm_fairseq.errors import InputError
from swcm_fairseq.scoring.tokenizers.base import Tokenizer, normalize
from swcm_fairseq.scoring.tokenizers.tibetan import TibetanSyllables

# Where botok keeps its word list, the "dialect pack".
WORD_LIST = Path.home() / "Documents" / "pybo" / "dialect_packs" / "general"


class TibetanWords(Tokenizer):
    """botok's words, with affixed particles separate; other scripts as in :class:`TibetanSyllables`.

    The word list is never downloaded. It is read from its text files each time, not from the pickle that botok stores
    beside them. The signature contains botok's version and the first 8 digits of the list's SHA-256.

    Args:
        word_list: directory of a botok dialect pack.

    Raises:
        InputError: botok or the word list is missing, or the list cannot be used.
    """

    def __init__(self, word_list: Path = WORD_LIST) -> None:
        if importlib.util.find_spec("botok") is None:
            raise InputError("the tokenizer bo-botok needs botok: pip install botok, or use bo-syllable")
        if not word_list.is_dir():
            raise InputError(
                f"{word_list}: botok's word list is missing; download it once with "
                'python -c "import botok; botok.Config()", or use bo-syllable'
            )
        import botok

        try:
            self.words = botok.WordTokenizer(botok.Config.from_path(word_list), build_trie=True)
        except (OSError, KeyError, ValueError) as error:
            raise InputError(f"{word_list}: botok cannot use this word list ({error})") from error
        self.rest = TibetanSyllables()
        digest = hashlib.sha256()
        for path in sorted(word_list.rglob("*.tsv")):
            digest.update(path.read_bytes())
        self.name = f"bo-botok{version('botok')}-{digest.hexdigest()[:8]}"

    def split(self, text: str) -> list[str]:
        """Words, with one tsheg between syllables and none at the end."""
        normalized = normalize(text)
        if not normalized.strip():
            return []
        tokens = []
        for token in self.words.tokenize(normalized):
            parts = self.rest.split(token.text)
            tokens += ["་".join(parts)] if token.syls else parts
        return tokens
