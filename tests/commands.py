"""Run the project's and fairseq's commands inside the test process, because importing torch takes seconds."""

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
    """Run ``fairseq-...``, ``swcm ...``, ``python -m MODULE ...`` or ``python FILE ...`` in the working directory.

    Raises:
        SystemExit: the exit status is not 0.
        Exception: any exception that the command does not handle.
    """
    argv = [str(argument) for argument in arguments]
    vars(save_checkpoint).pop("best", None)  # fairseq keeps the best score of a training run in the process
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
    # runpy warns about a module that is already imported, but runs it.
    with patch.object(sys, "argv", [module, *argv]), warnings.catch_warnings(action="ignore", category=RuntimeWarning):
        _until_exit(lambda: runpy.run_module(module, run_name="__main__", alter_sys=True))


def _until_exit(main) -> None:
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
