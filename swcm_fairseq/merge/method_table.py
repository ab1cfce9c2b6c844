"""The table of methods, without tensors; :mod:`swcm_fairseq.merge.merge_methods` gives their sources."""

from dataclasses import dataclass
from enum import Enum


class Sparsify(Enum):
    """What is removed from a task vector before merging."""

    NOTHING = "nothing"
    TRIM = "trim"  # keep the largest magnitudes (TIES)
    DROP = "drop"  # keep a random share and rescale it (DARE)


@dataclass(frozen=True)
class Method:
    """One way to merge.

    Attributes:
        title: its name in messages.
        needs_base: it merges task vectors instead of the models themselves.
        sparsify: what is first removed from each task vector.
        elects: a sign is elected for each parameter, and only values of that sign are merged.
        slack: the first model keeps some of the parameters that it would lose in the election.
        normalize: by default, divide by the sum of the weights (as MergeKit does).
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
