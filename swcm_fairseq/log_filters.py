"""The one place that decides what of fairseq's and other libraries' logs is shown.

fairseq writes its whole configuration into every log, and warnings for its developers; importing it sets the root
logger to DEBUG, so that other libraries write what nobody reads.
"""

import logging
import warnings

from omegaconf import DictConfig

# The commands that log their configuration, ten thousand characters on one line. A checkpoint has it, too.
COMMANDS = ("train", "validate", "generate", "interactive", "eval_lm")
PICTURES = ("matplotlib", "PIL")


def _shortened(record: logging.LogRecord) -> bool:
    """Keep of a configuration only where training ends, which progress bars read; false if there is nothing to keep."""
    if not isinstance(record.msg, DictConfig):
        return True
    end = record.msg.get("optimization")
    if end is None:
        return False
    record.msg = f"--max-epoch {end.max_epoch} --max-update {end.max_update} (0: no limit)"
    return record.name == "fairseq_cli.train"


def _no_traceback(record: logging.LogRecord) -> bool:
    """Whether to log a record; fairseq logs the traceback of a save that failed, and then raises its error."""
    return not record.getMessage().startswith("Traceback (most recent call last)")


def install() -> None:
    """Keep all that out of the logs of this process; called once, when the package is imported."""
    for command in COMMANDS:
        logging.getLogger(f"fairseq_cli.{command}").addFilter(_shortened)
    logging.getLogger("fairseq.checkpoint_utils").addFilter(_no_traceback)
    # Caused by the way fairseq calls Hydra; one of them names no module.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"hydra\.")
    warnings.filterwarnings("ignore", category=UserWarning, message=r"\s*'config' is validated against ConfigStore")


def warnings_only() -> None:
    """Show only warnings: for commands that print their results, and use libraries (botok) that log a lot."""
    logging.getLogger().setLevel(logging.WARNING)


def quiet_pictures() -> None:
    """Show only warnings of matplotlib, which logs while it is imported; call it before."""
    for library in PICTURES:
        logging.getLogger(library).setLevel(logging.WARNING)


def forget_handlers() -> None:
    """Let the command that follows set up its own handlers; one of fairseq's tasks sets up others when imported."""
    logging.getLogger().handlers.clear()
