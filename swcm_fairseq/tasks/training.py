"""Common behavior of this package's tasks in training: locking the save directory, resuming, and finishing."""

import logging
import math
import os
import sys
from argparse import Namespace
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from fairseq.data import Dictionary, FairseqDataset
from fairseq.data.iterators import EpochBatchIterator
from fairseq.distributed import utils as distributed_utils
from fairseq.tasks import FairseqTask
from omegaconf import II, DictConfig

from swcm_fairseq import save_directory
from swcm_fairseq.checkpoint_state import Checkpoint, Options, TaskState
from swcm_fairseq.errors import InputError
from swcm_fairseq.optim import epoch_length
from swcm_fairseq.restoring import LAST, read_checkpoint, restored_file
from swcm_fairseq.run_options import RunOptions
from swcm_fairseq.tasks.option_limits import check_options, check_size

logger = logging.getLogger(__name__)

T = TypeVar("T")


@dataclass
class TrainingConfig(RunOptions):
    """fairseq's options that all tasks of this package read."""

    seed: int = II("common.seed")
    train_subset: str = II("dataset.train_subset")


class TrainingTask(FairseqTask):
    """A task for training.

    Attributes:
        dictionary: pieces, ``<mask>`` and, if the task has them, language tokens; source and target share it.
        options: fairseq's whole configuration; None if the task is created outside fairseq's commands.
        train_iterator: fairseq's iterator over the training set, which knows the current epoch and position.
    """

    cfg: TrainingConfig
    dictionary: Dictionary

    def __init__(self, cfg: DictConfig):
        super().__init__(cfg)
        self.options = whole_configuration(cfg)
        self.train_iterator: EpochBatchIterator | None = None

    @classmethod
    def setup_task(cls, cfg: Any, from_checkpoint: bool = False, **kwargs: object) -> "TrainingTask":
        """Create the task.

        Args:
            cfg: the options of the task.
            from_checkpoint: whether they come from a checkpoint instead of a command line.
            kwargs: further arguments of fairseq; not used.

        Raises:
            InputError: an option of the command is invalid.
        """
        options = whole_configuration(cfg)
        if options is not None and not from_checkpoint:
            check_options(options)
        return cls(cfg)

    @property
    def source_dictionary(self) -> Dictionary:
        """See ``dictionary``."""
        return self.dictionary

    @property
    def target_dictionary(self) -> Dictionary:
        """See ``dictionary``."""
        return self.dictionary

    def begin_training(self, model: DictConfig | Namespace | None) -> None:
        """Prepare ``--save-dir`` and check the checkpoint to start from; called before a model is built for training.

        Args:
            model: the options of the architecture.

        Raises:
            InputError: another run uses the directory, the checkpoint to start from is missing or does not fit,
                or the model does not fit into memory.
            SystemExit: with status 0 if the training run is already finished.
        """
        end = on_first_process(self._prepare_save_dir)
        if end is not None:
            logger.info(f"already finished, done training: {end}; raise it to train longer")
            sys.exit(0)
        if model is not None:
            check_size(model, len(self.source_dictionary))

    def _prepare_save_dir(self) -> str | None:
        """The reason why the training run is finished; None if it is not."""
        cfg = self.cfg
        if self.options is not None and os.path.isdir(cfg.save_dir) and not self.options.checkpoint.no_save:
            save_directory.lock(cfg.save_dir)
            if cfg.restore_file == LAST:
                save_directory.recover(cfg.save_dir)
        path = self._check_restored()
        if path is None or path == cfg.finetune_from_model or self.options is None:
            return None
        state = read_checkpoint(path)
        runs = (_own_state(self, state).get("early_stopping") or {}).get("num_runs", 0)
        why = save_directory.why_finished(state, self.options, runs)
        return None if why is None else f"{path}: {why}"

    def _check_restored(self) -> str | None:
        """The path of the checkpoint that fairseq will restore, without telling the task or the model.

        Raises:
            InputError: the checkpoint is missing, or :meth:`check_restored_state` refuses it.
        """
        cfg = self.cfg
        path = restored_file(cfg)
        if path is None:
            for flag, value in (
                ("--restore-file", None if cfg.restore_file == LAST else cfg.restore_file),
                ("--continue-once", cfg.continue_once),
                ("--finetune-from-model", cfg.finetune_from_model),
            ):
                if value is not None:  # not reached by a resumed run, which no longer needs the last two
                    raise InputError(f"{flag} {value}: no such file; give a checkpoint")
            return None
        self.check_restored_state(read_checkpoint(path).get("task_state") or {}, path)
        return path

    def check_restored_state(self, state: TaskState, path: str) -> None:
        """Refuse a checkpoint that does not fit the data.

        Args:
            state: the task state in the checkpoint.
            path: path of the checkpoint.
        """

    # --- additional state in checkpoints ---

    def get_checkpoint_dict(self) -> dict[str, Options]:
        """State that fairseq does not save: the number of validations without improvement, for ``--patience``."""
        counters = _early_stopping()
        kept = {name: counters[name] for name in ("best", "num_runs") if name in counters}
        return {type(self).__name__: {"early_stopping": kept}}

    def set_checkpoint_dict(self, state: Options) -> None:
        """Restore :meth:`get_checkpoint_dict`."""
        _early_stopping().update(state.get("early_stopping") or {})

    # --- loading processes ---

    def get_batch_iterator(self, dataset: FairseqDataset, *args: Any, **kwargs: Any) -> EpochBatchIterator:
        """As in fairseq; also end the loading processes of the previous epoch, and announce the updates per epoch."""
        iterator = super().get_batch_iterator(dataset, *args, **kwargs)
        if dataset is self.datasets.get(self.cfg.train_subset):
            # An iterator that fairseq reuses must keep its state; otherwise, it would repeat its first epoch.
            if self.train_iterator is not None and self.train_iterator is not iterator:
                _end_workers(self.train_iterator)
            self.train_iterator = iterator
            if self.options is not None:
                updates = math.ceil(len(iterator) / self.options.optimization.update_freq[0])
                epoch_length.announce(self.options, updates)
        return iterator


def whole_configuration(cfg: DictConfig) -> DictConfig | None:
    """The configuration of the command that ``cfg`` is part of; None if there is no command."""
    root = cfg._get_root()
    return root if isinstance(root, DictConfig) and "optimization" in root and "checkpoint" in root else None


def on_first_process(work: Callable[[], T]) -> T:
    """Run ``work`` only in the first process of a training run; all processes get its result or :class:`InputError`.

    ``work`` must return plain data, such as text, a number or None.
    """
    if not torch.distributed.is_initialized():
        return work()
    group = distributed_utils.get_data_parallel_group()
    outcome: Options = {}
    if distributed_utils.get_data_parallel_rank() == 0:
        try:
            outcome = {"result": work()}
        except InputError as error:
            outcome = {"error": str(error)}
    outcome = distributed_utils.broadcast_object(outcome, 0, group)
    if "error" in outcome:
        raise InputError(outcome["error"])
    return outcome["result"]


def _own_state(task: FairseqTask, state: Checkpoint) -> Options:
    """The state that :meth:`TrainingTask.get_checkpoint_dict` saved in a checkpoint."""
    return (state.get("extra_state") or {}).get(type(task).__name__) or {}


def _early_stopping() -> Options:
    """fairseq's counters for ``--patience``, which are attributes of a function in the running command."""
    for name in ("__main__", "fairseq_cli.train"):
        function = vars(sys.modules.get(name, object)).get("should_stop_early")
        if function is not None:
            return vars(function)
    return {}


def _end_workers(iterator: EpochBatchIterator) -> None:
    """End the loading processes of a finished epoch.

    Iterator and loader refer to each other. If the garbage collector removes this cycle, it closes the queues of the
    workers before telling them to end, and training pauses for five seconds per worker.
    """
    iterator._cur_epoch_itr = iterator._next_epoch_itr = iterator.dataloader = None
