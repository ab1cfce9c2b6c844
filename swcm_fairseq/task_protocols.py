"""What the criterions ask of a task beyond what every task of fairseq has. Tasks of other packages may lack it.

The learning-rate schedule cannot ask a task; what it needs is in :mod:`swcm_fairseq.optim.epoch_length`.
"""

from typing import Protocol, runtime_checkable

from fairseq.data import Dictionary
from fairseq.data.iterators import EpochBatchIterator
from fairseq.tasks.sentence_prediction import SentencePredictionConfig
from torch import Tensor


class HasDictionary(Protocol):
    """Every task of fairseq's that has a target side."""

    @property
    def target_dictionary(self) -> Dictionary:
        """The symbols of the output matrix."""


@runtime_checkable
class CountsWords(HasDictionary, Protocol):
    """A task that knows which words each of its languages uses."""

    def language_vocabulary(self, lang: int, /) -> Tensor | None:
        """The words of a language, int64, ascending; None if they were not counted."""


@runtime_checkable
class NamesGroups(Protocol):
    """A task whose batches assign each sample to a group: a corpus, or a direction of translation."""

    @property
    def group_names(self) -> list[str]:
        """Names of the groups; ``sample["group"]`` indexes them."""


@runtime_checkable
class ShowsProgress(Protocol):
    """A task that shows how much of which epoch has passed."""

    train_iterator: EpochBatchIterator | None


@runtime_checkable
class KeepsLanguagesApart(CountsWords, Protocol):
    """A task that can form batches of one language each."""

    langs: list[str]

    def keep_languages_apart(self) -> None:
        """Form such batches from now on; called before any data is loaded."""


class ClassifiesLanguages(Protocol):
    """A task that classifies texts in several languages.

    Attributes:
        languages: ``sample["lang"]`` indexes them.
        cfg: fairseq's options of sentence prediction.
    """

    languages: list[str]
    cfg: SentencePredictionConfig
