"""What fairseq writes into every log and nobody reads: its whole configuration, and warnings for its developers."""

import logging
import warnings

from omegaconf import DictConfig

# The commands that log their configuration, ten thousand characters in one line. A checkpoint has it, too.
COMMANDS = ("train", "validate", "generate", "interactive", "eval_lm")


def _is_no_configuration(record: logging.LogRecord) -> bool:
    return not isinstance(record.msg, DictConfig)


def install() -> None:
    """Leave both out of the logs of this process; called once, when the package is imported."""
    for command in COMMANDS:
        logging.getLogger(f"fairseq_cli.{command}").addFilter(_is_no_configuration)
    # Of the way in which fairseq calls Hydra; one of them names no module.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"hydra\.")
    warnings.filterwarnings("ignore", category=UserWarning, message=r"\s*'config' is validated against ConfigStore")
