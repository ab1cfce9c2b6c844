"""The number of updates per epoch, announced by the task, which forms the batches, and read by the schedule.

fairseq builds a learning-rate schedule only from its own options and the optimizer. Like the options of the task, they
are part of the run's configuration. The number is stored in the cache of this configuration, so it belongs to one run
and is not saved in checkpoints.
"""

from omegaconf import DictConfig, OmegaConf

_KEY = "updates_per_epoch"


def announce(cfg: DictConfig, updates: int) -> None:
    """Store the number of updates per epoch of the training set, for the run that ``cfg`` is part of."""
    OmegaConf.get_cache(_root(cfg))[_KEY] = {_KEY: updates}


def known_updates(cfg: DictConfig) -> int | None:
    """The number of updates per epoch in the run that ``cfg`` is part of; None if no task has announced it."""
    return OmegaConf.get_cache(_root(cfg))[_KEY].get(_KEY)


def _root(cfg: DictConfig) -> DictConfig:
    root = cfg._get_root()
    assert isinstance(root, DictConfig)
    return root
