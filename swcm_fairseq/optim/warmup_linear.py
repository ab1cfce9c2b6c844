"""The learning-rate schedule ``warmup_linear``: a linear increase over the first epoch, then a linear decrease."""

import math
from dataclasses import dataclass, fields
from typing import Optional

from fairseq.dataclass import FairseqDataclass
from fairseq.optim import FairseqOptimizer
from fairseq.optim.lr_scheduler import FairseqLRScheduler, register_lr_scheduler
from omegaconf import II, DictConfig, OmegaConf

from swcm_fairseq.checkpoint_state import Options
from swcm_fairseq.errors import InputError
from swcm_fairseq.optim.epoch_length import known_updates
from swcm_fairseq.options import option


@dataclass
class WarmupLinearLRScheduleConfig(FairseqDataclass):
    """Options of the schedule; the defaults are the paper's (Su et al. 2025, section 4.1), with ``--lr 1e-4``."""

    warmup_init_lr: float = option(1e-5, "learning rate before the first update")
    warmup_updates: Optional[int] = option(None, "updates until --lr is reached; instead of --warmup-epochs")
    warmup_epochs: Optional[float] = option(None, "epochs until --lr is reached (default: 1 without --warmup-updates)")
    end_learning_rate: float = option(0.0, "learning rate at the end")
    total_num_update: Optional[float] = option(
        None, "update at which the end is reached (default: --max-update, else --max-epoch epochs)"
    )
    max_update: int = II("optimization.max_update")
    max_epoch: int = II("optimization.max_epoch")
    lr: list[float] = II("optimization.lr")  # noqa: RUF009
    # Not an option: resolving this field checks the others, because fairseq resolves its configuration at the start.
    checked: str = II("warmup_linear_checked:")

    def end(self) -> tuple[str, float] | None:
        """The option that sets the last update of the schedule, and its value; None if --max-epoch sets the end.

        Raises:
            InputError: neither updates nor epochs are limited.
        """
        for flag, value in (("--total-num-update", self.total_num_update), ("--max-update", self.max_update)):
            if value:
                return flag, value
        if self.max_epoch <= 0:
            raise InputError("warmup_linear has no end; give --max-update, --max-epoch or --total-num-update")
        return None

    def check(self) -> None:
        """Check the options as far as possible while the number of updates per epoch is unknown.

        Raises:
            InputError: an option is invalid; the message names it.
        """
        if len(self.lr) != 1:
            raise InputError(f"--lr {','.join(map(str, self.lr))}: warmup_linear takes one learning rate, the peak")
        if self.warmup_updates is not None and self.warmup_epochs is not None:
            raise InputError("--warmup-updates and --warmup-epochs: give one of them")
        for flag, value in (("updates", self.warmup_updates), ("epochs", self.warmup_epochs)):
            if value is not None and not 0 <= value < math.inf:
                raise InputError(f"--warmup-{flag} {value}: give 0 or more")
        for flag, rate in (("warmup-init-lr", self.warmup_init_lr), ("end-learning-rate", self.end_learning_rate)):
            if not 0 <= rate < math.inf:
                raise InputError(f"--{flag} {rate}: give a learning rate of 0 or more")
        end = self.end()
        if end is not None and self.warmup_updates is not None and self.warmup_updates > end[1]:
            flag, last = end
            raise InputError(
                f"--warmup-updates {self.warmup_updates}: {flag} {last:g} ends training before; shorten it"
            )
        if end is None and self.warmup_epochs is not None and self.warmup_epochs > self.max_epoch:
            raise InputError(
                f"--warmup-epochs {self.warmup_epochs:g}: --max-epoch {self.max_epoch} ends training before; shorten it"
            )


def _options(cfg: DictConfig) -> WarmupLinearLRScheduleConfig:
    """Convert fairseq's configuration to the dataclass, without resolving ``checked``."""
    names = [each.name for each in fields(WarmupLinearLRScheduleConfig) if each.name not in ("_name", "checked")]
    values = {name: cfg[name] for name in names}
    return WarmupLinearLRScheduleConfig(**{**values, "lr": list(values["lr"])}, checked="")


def _check(_parent_: DictConfig) -> str:
    """The resolver of ``checked``."""
    _options(_parent_).check()
    return "yes"


OmegaConf.register_new_resolver("warmup_linear_checked", _check, replace=True)


@register_lr_scheduler("warmup_linear", dataclass=WarmupLinearLRScheduleConfig)
class WarmupLinearLRSchedule(FairseqLRScheduler):
    """Linear from ``--warmup-init-lr`` to ``--lr`` during the warm-up, then linear to ``--end-learning-rate``.

    The number of updates per epoch is fixed when the first epoch begins and saved in checkpoints, so the schedule stays
    the same even if later epochs have slightly more or fewer batches.
    """

    def __init__(self, cfg: DictConfig, optimizer: FairseqOptimizer):
        super().__init__(cfg, optimizer)
        options = _options(cfg)
        options.check()
        self.peak = options.lr[0]
        self.end = options.end()
        self.epoch_updates: int | None = None
        if known_updates(cfg) is not None:
            self.total()  # refuses too long a warm-up before the first update
        self.optimizer.set_lr(self.peak if self._no_warmup() else cfg.warmup_init_lr)

    def _no_warmup(self) -> bool:
        return self.cfg.warmup_updates == 0 or self.cfg.warmup_epochs == 0

    def state_dict(self) -> Options:
        """As in fairseq, with the number of updates per epoch."""
        return {**super().state_dict(), "epoch_updates": self.epoch_updates}

    def load_state_dict(self, state_dict: Options) -> None:
        """Restore the state of this or another schedule."""
        super().load_state_dict(state_dict)
        self.epoch_updates = state_dict.get("epoch_updates")

    def _updates(self, epochs: float) -> float:
        """The number of updates in ``epochs`` epochs."""
        if self.epoch_updates is None:
            self.epoch_updates = known_updates(self.cfg)
        if self.epoch_updates is None and self.cfg.max_epoch > 0 and self.end is not None:
            self.epoch_updates = math.ceil(self.end[1] / self.cfg.max_epoch)
        if self.epoch_updates is None:
            raise InputError(
                "warmup_linear does not know the number of updates per epoch with this task; "
                "give --warmup-updates and --max-update"
            )
        return epochs * self.epoch_updates

    def warmup(self) -> float:
        """The number of updates in the warm-up."""
        if self.cfg.warmup_updates is not None:
            return self.cfg.warmup_updates
        return self._updates(1.0 if self.cfg.warmup_epochs is None else self.cfg.warmup_epochs)

    def total(self) -> float:
        """The number of updates until the end of the schedule.

        Raises:
            InputError: the warm-up is longer.
        """
        flag, total = self.end or ("--max-epoch", self._updates(self.cfg.max_epoch))
        if total < self.warmup():
            raise InputError(
                f"{self._warmup_flag()}: the warm-up takes {self.warmup():g} updates, but training ends after "
                f"{total:g} ({flag}); shorten it with --warmup-updates"
            )
        return total

    def _warmup_flag(self) -> str:
        """The flag that sets the length of the warm-up."""
        if self.cfg.warmup_updates is not None:
            return f"--warmup-updates {self.cfg.warmup_updates}"
        if self.cfg.warmup_epochs is not None:
            return f"--warmup-epochs {self.cfg.warmup_epochs:g}"
        return "--warmup-epochs 1 (the default)"

    def step_update(self, num_updates: int) -> float:
        """Set the learning rate for the update after ``num_updates``."""
        if num_updates > 0:  # before that, the number of updates per epoch may be unknown
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
