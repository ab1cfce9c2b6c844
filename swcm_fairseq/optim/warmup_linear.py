"""The learning-rate schedule ``warmup_linear``: up from a small rate over the first epoch, then down in a line."""

import math
from dataclasses import dataclass, field
from typing import Any, Optional

from fairseq.dataclass import FairseqDataclass
from fairseq.optim.lr_scheduler import FairseqLRScheduler, register_lr_scheduler
from omegaconf import II

from swcm_fairseq.errors import InputError
from swcm_fairseq.optim.epoch_length import known_updates


@dataclass
class WarmupLinearLRScheduleConfig(FairseqDataclass):
    """Options of the schedule; the defaults are the paper's (Su et al. 2025, section 4.1), with ``--lr 1e-4``."""

    warmup_init_lr: float = field(default=1e-5, metadata={"help": "learning rate before the first update"})
    warmup_updates: Optional[int] = field(
        default=None, metadata={"help": "updates until --lr is reached; instead of --warmup-epochs"}
    )
    warmup_epochs: Optional[float] = field(
        default=None, metadata={"help": "epochs until --lr is reached (default: 1 without --warmup-updates)"}
    )
    end_learning_rate: float = field(default=0.0, metadata={"help": "learning rate at the end"})
    total_num_update: Optional[float] = field(
        default=None,
        metadata={"help": "update at which the end is reached (default: --max-update, else --max-epoch epochs)"},
    )
    max_update: int = II("optimization.max_update")
    max_epoch: int = II("optimization.max_epoch")
    lr: list[float] = II("optimization.lr")  # noqa: RUF009


@register_lr_scheduler("warmup_linear", dataclass=WarmupLinearLRScheduleConfig)
class WarmupLinearLRSchedule(FairseqLRScheduler):
    """Linear from ``--warmup-init-lr`` to ``--lr`` during the warm-up, then linear to ``--end-learning-rate``.

    An epoch's updates are taken once, when the first epoch begins, and saved with the checkpoint: the schedule stays
    the same though later epochs may have some batches more or less.
    """

    def __init__(self, cfg: WarmupLinearLRScheduleConfig, optimizer):
        super().__init__(cfg, optimizer)
        if len(cfg.lr) != 1:
            raise InputError(f"--lr {','.join(map(str, cfg.lr))}: warmup_linear takes one learning rate, its peak")
        if cfg.warmup_updates is not None and cfg.warmup_epochs is not None:
            raise InputError("--warmup-updates and --warmup-epochs: give one of them")
        for flag, value in (("updates", cfg.warmup_updates), ("epochs", cfg.warmup_epochs)):
            if value is not None and not 0 <= value < math.inf:
                raise InputError(f"--warmup-{flag} {value}: give 0 or more")
        for flag, rate in (("warmup-init-lr", cfg.warmup_init_lr), ("end-learning-rate", cfg.end_learning_rate)):
            if not 0 <= rate < math.inf:
                raise InputError(f"--{flag} {rate}: give a learning rate of 0 or more")
        self.peak = cfg.lr[0]
        self.end_update = cfg.total_num_update or cfg.max_update  # 0: after --max-epoch epochs
        self.epoch_updates: int | None = None
        self.optimizer.set_lr(self.peak if self._no_warmup() else cfg.warmup_init_lr)

    def _no_warmup(self) -> bool:
        return self.cfg.warmup_updates == 0 or self.cfg.warmup_epochs == 0

    def state_dict(self) -> dict[str, Any]:
        """fairseq's, and the updates in an epoch."""
        return {**super().state_dict(), "epoch_updates": self.epoch_updates}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Read :meth:`state_dict`, or another schedule's."""
        super().load_state_dict(state_dict)
        self.epoch_updates = state_dict.get("epoch_updates")

    def _updates(self, epochs: float) -> float:
        """Updates in so many epochs."""
        if self.epoch_updates is None:
            self.epoch_updates = known_updates()
        if self.epoch_updates is None and self.cfg.max_epoch > 0 and self.end_update > 0:
            self.epoch_updates = math.ceil(self.end_update / self.cfg.max_epoch)
        if self.epoch_updates is None:
            raise InputError(
                "warmup_linear does not know how many updates an epoch has with this task; "
                "give --warmup-updates and --max-update"
            )
        return epochs * self.epoch_updates

    def warmup(self) -> float:
        """Updates of the warm-up."""
        if self.cfg.warmup_updates is not None:
            return self.cfg.warmup_updates
        return self._updates(1.0 if self.cfg.warmup_epochs is None else self.cfg.warmup_epochs)

    def total(self) -> float:
        """Updates until the end of the schedule.

        Raises:
            InputError: neither updates nor epochs are limited, or the warm-up takes longer.
        """
        if self.end_update > 0:
            total = self.end_update
        elif self.cfg.max_epoch > 0:
            total = self._updates(self.cfg.max_epoch)
        else:
            raise InputError("warmup_linear has no end: give --max-update, --max-epoch or --total-num-update")
        if total < self.warmup():
            raise InputError(f"the warm-up takes {self.warmup():g} updates and training only {total:g}; shorten it")
        return total

    def step_update(self, num_updates: int) -> float:
        """Set the learning rate for the update after ``num_updates``."""
        if num_updates > 0:  # before, the length of an epoch may not be known
            self.optimizer.set_lr(self._rate(num_updates))
        return self.optimizer.get_lr()

    def _rate(self, update: int) -> float:
        warmup, total = self.warmup(), self.total()
        if update < warmup:
            return self.cfg.warmup_init_lr + (self.peak - self.cfg.warmup_init_lr) * update / warmup
        if update >= total:
            return self.cfg.end_learning_rate if total > warmup else self.peak
        left = (total - update) / (total - warmup)
        return self.cfg.end_learning_rate + (self.peak - self.cfg.end_learning_rate) * left
