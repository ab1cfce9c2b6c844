"""Types for the contents of a fairseq checkpoint."""

from argparse import Namespace
from typing import TYPE_CHECKING, Any, TypedDict

if TYPE_CHECKING:  # modules that only use these types in annotations do not need torch
    from torch import Tensor

Options = dict[str, Any]  # option -> value, as fairseq saves parts of its configuration


class TaskState(TypedDict, total=False):
    """The task state in a checkpoint; each task saves only some of the keys.

    Attributes:
        symbols: all symbols of the dictionary, in order.
        langs: language codes, in the order of their tokens.
        tokens_per_sample: maximum length of a text.
        classes: the labels of a classification task.
    """

    symbols: list[str]
    langs: list[str]
    tokens_per_sample: int
    classes: list[str]


class Checkpoint(TypedDict, total=False):
    """A fairseq checkpoint; those from older versions and other programs lack some keys.

    Attributes:
        model: tensors by name, and extra states of modules.
        cfg: the configuration by section ("model", "task", ...); None in old files.
        args: the options; replaces ``cfg`` in old files.
        task_state: see :class:`TaskState`.
        optimizer_history: one entry per optimizer used in training, the current one last.
        last_optimizer_state: the state of the current optimizer.
        extra_state: the state of the trainer: iterator, meters and best score.
    """

    model: dict[str, "Tensor"]
    cfg: dict[str, Options]
    args: Namespace | None
    task_state: TaskState
    optimizer_history: list[Options]
    last_optimizer_state: Options
    extra_state: Options
