"""How many updates an epoch has: announced by the task, which forms the batches, and read by the schedule.

fairseq builds a learning-rate schedule from its own options and the optimizer alone. The options are a part of the
run's configuration, as those of the task are; the number is kept in the cache of that configuration, so it belongs to
one run and enters no checkpoint.
"""

from omegaconf import DictConfig, OmegaConf

_KEY = "updates_per_epoch"


def announce(cfg: DictConfig, updates: int) -> None:
    """Say how many updates an epoch of the training set has, in the run that ``cfg`` is a part of."""
    OmegaConf.get_cache(_root(cfg))[_KEY] = {_KEY: updates}


def known_updates(cfg: DictConfig) -> int | None:
    """Updates per epoch in the run that ``cfg`` is a part of; None if no task has announced them."""
    return OmegaConf.get_cache(_root(cfg))[_KEY].get(_KEY)


def _root(cfg: DictConfig) -> DictConfig:
    root = cfg._get_root()
    assert isinstance(root, DictConfig)
    return root
