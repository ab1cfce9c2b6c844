"""The table of methods, importable without torch; :mod:`swcm_fairseq.merge.merge_methods` lists their sources."""

from dataclasses import dataclass
from enum import Enum


class Sparsify(Enum):
    """How task vectors are sparsified before merging."""

    NOTHING = "nothing"
    TRIM = "trim"  # keep the largest magnitudes (TIES)
    DROP = "drop"  # keep a random share and rescale it (DARE)


@dataclass(frozen=True)
class Method:
    """One merging method.

    Attributes:
        title: name of the method in messages.
        needs_base: whether it merges task vectors instead of the models themselves.
        sparsify: how task vectors are sparsified first.
        elects: whether a sign is elected for each parameter and only values with that sign are merged.
        slack: whether the first model keeps some of the parameters that it would lose in the election.
        normalize: whether, by default, the result is divided by the sum of the weights (as in MergeKit).
    """

    title: str
    needs_base: bool = True
    sparsify: Sparsify = Sparsify.NOTHING
    elects: bool = False
    slack: bool = False
    normalize: bool = False


METHODS = {
    "average": Method("weighted average", needs_base=False, normalize=True),
    "task-arithmetic": Method("task arithmetic"),
    "ties": Method("TIES", sparsify=Sparsify.TRIM, elects=True, normalize=True),
    "ties-sv": Method("TIES with a slack variable", sparsify=Sparsify.TRIM, elects=True, slack=True, normalize=True),
    "dare": Method("DARE, then task arithmetic", sparsify=Sparsify.DROP),
    "dare-ties": Method("DARE, then the election of TIES", sparsify=Sparsify.DROP, elects=True),
}
