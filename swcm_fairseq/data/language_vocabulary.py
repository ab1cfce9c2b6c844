"""The words of each language, and output matrices restricted to them (CINO, section 3.2.2, for generation)."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from swcm_fairseq.data.sample import on_device
from swcm_fairseq.errors import InputError
from swcm_fairseq.int8 import Int8Linear
from swcm_fairseq.task_protocols import CountsWords, HasDictionary


class OutputVocabulary:
    """A subset of the output matrix's rows, as a smaller matrix with its own ids.

    Attributes:
        ids: int64 [R], ascending: the rows that are kept.
    """

    def __init__(self, kept: np.ndarray, device: torch.device):
        """Keep the words for which ``kept``, bool [V], is true; the output matrix is on ``device``."""
        self.ids = on_device(np.flatnonzero(kept), device)
        self._local = on_device(np.cumsum(kept) - 1, device)

    def weight(self, output_weight: Tensor) -> Tensor:
        """The kept rows [R, ...] of ``output_weight`` [V, ...]; gradients flow back into it."""
        whole = len(self.ids) == output_weight.size(0)
        return output_weight if whole else output_weight.index_select(0, self.ids)

    def local(self, tokens: Tensor) -> Tensor:
        """The ids of ``tokens`` (any shape) in the smaller matrix; all tokens must be among the kept words."""
        return self._local[tokens]


class RestrictedProjection(nn.Module):
    """An output projection that computes logits only for the words of an :class:`OutputVocabulary`."""

    def __init__(self, projection: nn.Linear | Int8Linear, vocabulary: OutputVocabulary):
        super().__init__()
        assert projection.weight is not None
        # This must stay a parameter: it affects which kernel torch chooses, and hence the rounding.
        self.weight = nn.Parameter(vocabulary.weight(projection.weight.detach()), projection.weight.requires_grad)
        self._rounded = Int8Linear(self.weight) if isinstance(projection, Int8Linear) else None

    def forward(self, features: Tensor) -> Tensor:
        """Logits [..., R] for ``features`` [..., C]."""
        return nn.functional.linear(features, self.weight) if self._rounded is None else self._rounded(features)


class LanguageVocabularies:
    """The words of each language, as counted by the task. Special symbols belong to every language."""

    def __init__(self, task: HasDictionary, name: Callable[[int], str] | None = None):
        """Languages are the numbers that ``task.language_vocabulary`` accepts.

        Args:
            task: a task that counts words.
            name: maps the number of a language to its name; by default, numbers are ids of language tokens in the
                task's dictionary.
        """
        self._task = task
        self._name = name or task.target_dictionary.__getitem__
        self._words: dict[int, np.ndarray | None] = {}
        self._on_device: dict[tuple[int, torch.device], Tensor] = {}

    def words(self, lang_token: int) -> np.ndarray | None:
        """bool [V], true for the words of a language; None if they were not counted."""
        if lang_token not in self._words:
            ids = self._task.language_vocabulary(lang_token) if isinstance(self._task, CountsWords) else None
            self._words[lang_token] = None if ids is None else self._mask(ids)
        return self._words[lang_token]

    def _mask(self, ids: Tensor) -> np.ndarray:
        mask = np.zeros(len(self._task.target_dictionary), dtype=bool)
        mask[: self._task.target_dictionary.nspecial] = True
        mask[ids.numpy()] = True
        return mask

    def of_batch(self, languages: Sequence[int]) -> np.ndarray:
        """The words, bool [V], of the only language in a batch.

        Raises:
            InputError: the batch has several ``languages``, or the words of the language were not counted.
        """
        symbols = [self._name(token) for token in languages]
        if len(languages) > 1:
            raise InputError(
                f"a batch mixes the target languages {' '.join(symbols)}, but the vocabulary can only be restricted "
                "to one language; add --group-batches-by language"
            )
        words = self.words(languages[0])
        if words is None:
            raise InputError(
                f"cannot restrict the vocabulary: the data directory has no counts for {symbols[0]}; "
                "write them with swcm binarize"
            )
        return words

    def output_vocabulary(
        self, languages: Sequence[int], given: np.ndarray, device: torch.device
    ) -> tuple[OutputVocabulary, int]:
        """The words in the softmax of a single-language batch, and how many words of ``given`` had to be added.

        Args:
            languages: the languages of the batch, each once.
            given: int64, words that must be included.
            device: the device of the output matrix.

        Raises:
            InputError: see :meth:`of_batch`.
        """
        words = self.of_batch(languages)
        kept = words.copy()
        kept[given] = True
        return OutputVocabulary(kept, device), int((~words[given]).sum())

    def share_known(self, tokens: Tensor, lang_tokens: Tensor, languages: Sequence[int]) -> tuple[Tensor, Tensor]:
        """How many of ``tokens`` are words of their language, and for how many this is known.

        Args:
            tokens: int64 [N].
            lang_tokens: int64 [N], the language of each token.
            languages: all values that ``lang_tokens`` may contain.
        """
        inside = known = tokens.new_zeros(())
        for lang_token in languages:
            words = self._words_on(lang_token, tokens.device)
            if words is not None:
                own = lang_tokens.eq(lang_token)
                inside = inside + (words[tokens] & own).sum()
                known = known + own.sum()
        return inside, known

    def _words_on(self, lang_token: int, device: torch.device) -> Tensor | None:
        """:meth:`words` as a tensor on ``device``, cached."""
        words, key = self.words(lang_token), (lang_token, device)
        if words is not None and key not in self._on_device:
            self._on_device[key] = on_device(words, device)
        return self._on_device.get(key)
