"""Can fine-tuning start from this checkpoint? ``python examples/check_start.py CHECKPOINT``; one line if it cannot."""

import sys

from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.tasks.restored import read_task_state


def main() -> None:
    """Refuse a checkpoint of another task: it has no symbols and languages."""
    path = sys.argv[1]
    if "symbols" not in read_task_state(path):
        raise InputError(
            f"{path}: is not a checkpoint of the task multilingual_denoising_mt; give --start one of the pretraining "
            "recipes, or the directory of an encoder"
        )


if __name__ == "__main__":
    run_command(main)
