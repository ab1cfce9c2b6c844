"""Decides which log messages of fairseq and other libraries are shown.

fairseq logs its whole configuration and warnings for its developers. Importing it sets the root logger to DEBUG, so
other libraries log details that nobody reads, and asks users to install tensorboardX.
"""

import logging
import warnings

# The commands that log their configuration, ten thousand characters in one line. Checkpoints also contain it.
COMMANDS = ("train", "validate", "generate", "interactive", "eval_lm")


def _shortened(record: logging.LogRecord) -> bool:
    """Shorten a configuration to the end of training, which progress bars read; returns whether to log the record."""
    from omegaconf import DictConfig  # takes half a second, so import it only when something is logged

    if not isinstance(record.msg, DictConfig):
        return True
    end = record.msg.get("optimization")
    if end is None:
        return False
    record.msg = f"--max-epoch {end.max_epoch} --max-update {end.max_update} (0: no limit)"
    return record.name == "fairseq_cli.train"


def _no_traceback(record: logging.LogRecord) -> bool:
    """Whether to log a record. fairseq logs a traceback if saving fails, before it raises the error."""
    return not record.getMessage().startswith("Traceback (most recent call last)")


def _no_second_import(record: logging.LogRecord) -> bool:
    """Whether to log a record. Our commands import the package before fairseq imports it as ``--user-dir``."""
    return "has already been imported" not in record.getMessage()


def install() -> None:
    """Filter the logs of this process; called once, when the package is imported."""
    for command in COMMANDS:
        logging.getLogger(f"fairseq_cli.{command}").addFilter(_shortened)
    logging.getLogger("fairseq.checkpoint_utils").addFilter(_no_traceback)
    logging.getLogger("fairseq.utils").addFilter(_no_second_import)
    # Caused by the way fairseq calls Hydra; one of these warnings has no module.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"hydra\.")
    warnings.filterwarnings("ignore", category=UserWarning, message=r"\s*'config' is validated against ConfigStore")


def quiet_fairseq() -> None:
    """Suppress the messages caused by importing fairseq; called by our commands before fairseq is imported.

    One of its models sets the root logger to DEBUG, which has no effect if there is a handler; one of its tasks asks
    for tensorboardX if that is not installed; and its iterators make PyTorch warn on every CPU.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("fairseq.tasks.text_to_speech").setLevel(logging.WARNING)
    # fairseq requests pinned memory even without a GPU.
    warnings.filterwarnings("ignore", category=UserWarning, message="'pin_memory' argument is set as true")


def forget_handlers() -> None:
    """Remove the handlers that one of fairseq's tasks adds when imported, so that the next command can add its own."""
    logging.getLogger().handlers.clear()
