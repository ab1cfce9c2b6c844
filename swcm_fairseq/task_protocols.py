"""Interfaces that criterions need from a task in addition to fairseq's; tasks of other packages may lack them.

The learning-rate schedule has no access to the task; for what it needs, see :mod:`swcm_fairseq.optim.epoch_length`.
"""

from typing import Protocol, runtime_checkable

from fairseq.data import Dictionary
from fairseq.data.iterators import EpochBatchIterator
from fairseq.tasks.sentence_prediction import SentencePredictionConfig
from torch import Tensor


class HasDictionary(Protocol):
    """Any fairseq task with a target side."""

    @property
    def target_dictionary(self) -> Dictionary:
        """The symbols in the output matrix."""


@runtime_checkable
class CountsWords(HasDictionary, Protocol):
    """A task that knows which words each of its languages uses."""

    def language_vocabulary(self, lang: int, /) -> Tensor | None:
        """The words of a language, int64, ascending; None if they were not counted."""


@runtime_checkable
class NamesGroups(Protocol):
    """A task whose batches assign each sample to a group, which is a corpus or a translation direction."""

    @property
    def group_names(self) -> list[str]:
        """Names of the groups; ``sample["group"]`` indexes them."""


@runtime_checkable
class ShowsProgress(Protocol):
    """A task that exposes the current epoch and the position in it."""

    train_iterator: EpochBatchIterator | None


@runtime_checkable
class KeepsLanguagesApart(CountsWords, Protocol):
    """A task that can form batches with a single language each."""

    langs: list[str]

    def keep_languages_apart(self) -> None:
        """Form such batches; called before any data is loaded."""


class ClassifiesLanguages(Protocol):
    """A task that classifies texts in several languages.

    Attributes:
        languages: the languages; ``sample["lang"]`` indexes them.
        cfg: fairseq's options for sentence prediction.
    """

    languages: list[str]
    cfg: SentencePredictionConfig
