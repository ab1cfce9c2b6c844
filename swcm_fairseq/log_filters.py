"""The one place that decides what of fairseq's and other libraries' logs is shown.

fairseq writes its whole configuration into every log, and warnings for its developers; importing it sets the root
logger to DEBUG, so that other libraries write what nobody reads, and asks for tensorboardX.
"""

import logging
import warnings

# The commands that log their configuration, ten thousand characters on one line. A checkpoint has it, too.
COMMANDS = ("train", "validate", "generate", "interactive", "eval_lm")


def _shortened(record: logging.LogRecord) -> bool:
    """Keep of a configuration only where training ends, which progress bars read; false if there is nothing to keep."""
    from omegaconf import DictConfig  # takes half a second, which commands without a log are spared

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


def _no_second_import(record: logging.LogRecord) -> bool:
    """Whether to log a record; that ``--user-dir`` has been imported before is what our commands do."""
    return "has already been imported" not in record.getMessage()


def install() -> None:
    """Keep all that out of the logs of this process; called once, when the package is imported."""
    for command in COMMANDS:
        logging.getLogger(f"fairseq_cli.{command}").addFilter(_shortened)
    logging.getLogger("fairseq.checkpoint_utils").addFilter(_no_traceback)
    logging.getLogger("fairseq.utils").addFilter(_no_second_import)
    # Caused by the way fairseq calls Hydra; one of them names no module.
    warnings.filterwarnings("ignore", category=UserWarning, module=r"hydra\.")
    warnings.filterwarnings("ignore", category=UserWarning, message=r"\s*'config' is validated against ConfigStore")


def quiet_fairseq() -> None:
    """Keep what fairseq does when it is imported out of our commands; called before it is imported.

    One of its models sets the root logger to DEBUG, which has no effect once there is a handler, one of its tasks asks
    for tensorboardX wherever that is not installed, and its iterators make PyTorch warn on every CPU.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s: %(message)s")
    logging.getLogger("fairseq.tasks.text_to_speech").setLevel(logging.WARNING)
    # fairseq asks for pinned memory where there is no GPU, too.
    warnings.filterwarnings("ignore", category=UserWarning, message="'pin_memory' argument is set as true")


def forget_handlers() -> None:
    """Let the command that follows set up its own handlers; one of fairseq's tasks sets up others when imported."""
    logging.getLogger().handlers.clear()
