"""Which words a language uses, and an output matrix that has no others (CINO, section 3.2.2, for generation)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from swcm_fairseq.errors import InputError


class OutputVocabulary:
    """A part of the output matrix's rows, as a smaller matrix with ids of its own.

    Attributes:
        ids: int64 [R], ascending, the rows that are kept.
    """

    def __init__(self, kept: Tensor):
        """Keep the words where ``kept``, bool [V], is true."""
        self.ids = kept.nonzero().squeeze(1)
        self._local = kept.cumsum(0) - 1

    def weight(self, output_weight: Tensor) -> Tensor:
        """The rows of ``output_weight`` [V, ...] that are kept, [R, ...]; gradients flow back into it."""
        whole = len(self.ids) == output_weight.size(0)
        return output_weight if whole else output_weight.index_select(0, self.ids)

    def local(self, tokens: Tensor) -> Tensor:
        """Ids of the smaller matrix for ``tokens`` (any shape), all of which are kept."""
        return self._local[tokens]


class RestrictedProjection(nn.Module):
    """An output projection that computes the logits of some words; those of all others are minus infinity.

    Beam search sees a vocabulary of the usual size, in which the others cannot be chosen.
    """

    ids: Tensor

    def __init__(self, projection: nn.Linear, vocabulary: OutputVocabulary):
        super().__init__()
        # A parameter as before: how torch multiplies, and hence rounds, depends on it.
        self.weight = nn.Parameter(vocabulary.weight(projection.weight.detach()), projection.weight.requires_grad)
        self.register_buffer("ids", vocabulary.ids)
        self.words = projection.out_features

    def forward(self, features: Tensor) -> Tensor:
        """Logits [..., V] of ``features`` [..., C]."""
        logits = nn.functional.linear(features, self.weight)
        everything = logits.new_full((*features.shape[:-1], self.words), -torch.inf)
        return everything.index_copy(-1, self.ids, logits)


class LanguageVocabularies:
    """The words of each language, as the task has counted them; specials belong to every language."""

    def __init__(self, task: Any, name: Callable[[int], str] | None = None):
        """Languages are numbers that ``task.language_vocabulary`` takes; ``name`` says what they are called.

        Without ``name`` they are language tokens of the task's dictionary.
        """
        self._task = task
        self._name = name or task.target_dictionary.__getitem__
        self._nspecial = task.target_dictionary.nspecial
        self._words: dict[int, Tensor | None] = {}

    def words(self, lang_token: int, like: Tensor) -> Tensor | None:
        """bool [V] on the device of ``like`` [V, C], true for the words of a language; None if it was not counted."""
        if lang_token not in self._words:
            self._words[lang_token] = self._mask(lang_token, like)
        return self._words[lang_token]

    def _mask(self, lang_token: int, like: Tensor) -> Tensor | None:
        count = getattr(self._task, "language_vocabulary", None)  # other tasks count nothing
        ids = count(lang_token) if count else None
        if ids is None:
            return None
        mask = torch.zeros(like.size(0), dtype=torch.bool, device=like.device)
        mask[: self._nspecial] = True
        mask[ids.to(like.device)] = True
        return mask

    def of_batch(self, lang_tokens: Tensor, like: Tensor) -> Tensor:
        """The words, bool [V], of the one target language of a batch with the language tokens ``lang_tokens``.

        Raises:
            InputError: there are several languages, or the words of the language were not counted.
        """
        languages = lang_tokens.unique().tolist()
        symbols = [self._name(token) for token in languages]
        if len(languages) > 1:
            raise InputError(
                f"a batch has the target languages {' '.join(symbols)}, but its vocabulary is to be restricted to one; "
                "keep them apart with --group-batches-by language"
            )
        words = self.words(languages[0], like)
        if words is None:
            raise InputError(
                f"the vocabulary is to be restricted, but the data directory has no counts for {symbols[0]}; write "
                "them with preprocess.binarize"
            )
        return words

    def output_vocabulary(self, lang_tokens: Tensor, target: Tensor, like: Tensor) -> tuple[OutputVocabulary, Tensor]:
        """What the softmax of a batch of one language runs over, and how many of ``target`` [N] had to be added to it.

        Raises:
            InputError: see :meth:`of_batch`.
        """
        words = self.of_batch(lang_tokens, like)
        return OutputVocabulary(words.index_fill(0, target, True)), (~words[target]).sum()

    def share_known(self, tokens: Tensor, lang_tokens: Tensor, like: Tensor) -> tuple[Tensor, Tensor]:
        """How many of ``tokens`` [N] are words of their language ``lang_tokens`` [N], and of how many this is known."""
        inside = known = tokens.new_zeros(())
        for lang_token in lang_tokens.unique().tolist():
            words = self.words(lang_token, like)
            if words is not None:
                own = lang_tokens.eq(lang_token)
                inside = inside + (words[tokens] & own).sum()
                known = known + own.sum()
        return inside, known
