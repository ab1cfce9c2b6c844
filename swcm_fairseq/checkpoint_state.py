"""What a checkpoint of fairseq's contains, by key."""

from argparse import Namespace
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:  # what only names these types does without torch
    from torch import Tensor

Options = dict[str, Any]  # option -> value, as fairseq saves a part of its configuration


class TaskState(TypedDict, total=False):
    """The task's part of a checkpoint; which keys there are depends on the task.

    Attributes:
        symbols: all symbols of the dictionary, in order.
        langs: language codes, in the order of their tokens.
        tokens_per_sample: maximum positions of a text.
        classes: labels of a classification.
    """

    symbols: list[str]
    langs: list[str]
    tokens_per_sample: int
    classes: list[str]


class Checkpoint(TypedDict, total=False):
    """A checkpoint of fairseq's; older ones and those of other programs lack some keys.

    Attributes:
        model: tensors by name, and what modules add to their state.
        cfg: the configuration by part ("model", "task", ...); None in old files.
        args: the options, in old files instead of ``cfg``.
        task_state: see :class:`TaskState`.
        optimizer_history: one entry per optimizer that the training has had, the current one last.
        last_optimizer_state: of the current optimizer.
        extra_state: of the trainer: iterator, meters, the best score.
    """

    model: dict[str, "Tensor"]
    cfg: dict[str, Options]
    args: Namespace | None
    task_state: TaskState
    optimizer_history: list[Options]
    last_optimizer_state: Options
    extra_state: Options
