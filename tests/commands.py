"""The project's and fairseq's commands, run within the process of the tests: importing torch takes seconds."""

import runpy
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from unittest.mock import patch

from fairseq.checkpoint_utils import save_checkpoint

FAIRSEQ = {
    "fairseq-train": "fairseq_cli.train",
    "fairseq-generate": "fairseq_cli.generate",
    "fairseq-interactive": "fairseq_cli.interactive",
}


def run(program: str, *arguments: object) -> None:
    """Run ``fairseq-...``, ``swcm ...``, ``python -m MODULE ...`` or ``python FILE ...`` to its end, in this directory.

    Raises:
        SystemExit: with another status than 0.
        Exception: whatever the command does not handle itself.
    """
    argv = [str(argument) for argument in arguments]
    vars(save_checkpoint).pop("best", None)  # fairseq keeps a training's best score as long as the process lives
    if program in FAIRSEQ:
        _run_main(FAIRSEQ[program], argv)
    elif program == "swcm":
        _run_main("swcm_fairseq.cli", argv)
    elif argv[0] == "-m":
        _run_main(argv[1], argv[2:])
    else:
        with (
            patch.object(sys, "argv", argv),
            patch.object(sys, "path", [str(Path(argv[0]).resolve().parent), *sys.path]),
        ):
            _until_exit(lambda: runpy.run_path(argv[0], run_name="__main__"))


def _run_main(module: str, argv: Sequence[str]) -> None:
    # runpy warns of a module that is imported already; it is run all the same.
    with patch.object(sys, "argv", [module, *argv]), warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        _until_exit(lambda: runpy.run_module(module, run_name="__main__", alter_sys=True))


def _until_exit(main) -> None:
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
