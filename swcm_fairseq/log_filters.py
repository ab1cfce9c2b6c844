"""What fairseq writes into every log and nobody reads: its whole configuration, and warnings for its developers."""

import logging
import warnings

from omegaconf import DictConfig

# The commands that log their configuration, ten thousand characters in one line. A checkpoint has it, too.
COMMANDS = ("train", "validate", "generate", "interactive", "eval_lm")


def _shortened(record: logging.LogRecord) -> bool:
    """Keep of a configuration only where training ends, which progress bars read; false if there is nothing to keep."""
    if not isinstance(record.msg, DictConfig):
        return True
    end = record.msg.get("optimization")
    if end is None:
        return False
    record.msg = f"--max-epoch {end.max_epoch} --max-update {end.max_update} (0: no limit)"
    return record.name == "fairseq_cli.train"


def install() -> None:
    """Keep both out of the logs of this process; called once, when the package is imported."""
    for command in COMMANDS:
        logging.getLogger(f"fairseq_cli.{command}").addFilter(_shortened)
    # Of the way in which fairseq calls Hydra; one of them names no module.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"hydra\.")
    warnings.filterwarnings("ignore", category=UserWarning, message=r"\s*'config' is validated against ConfigStore")
