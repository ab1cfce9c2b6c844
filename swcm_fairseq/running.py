"""Determine which program this process runs: one of our commands, one of fairseq's, or another script.

Only commands may change the behavior of the whole process (exception hook, logging), and only our own commands skip
registration, which takes seconds.
"""

import sys
from enum import Enum
from pathlib import Path

COMMAND = "swcm"  # the console command
_PACKAGES = ("swcm_fairseq", "swcm_preprocess", "preprocess")


class Program(Enum):
    """The kind of program that this process runs."""

    OURS = "swcm or one of our modules"
    FAIRSEQ = "fairseq-train or another fairseq command"
    OTHER = "a script, a notebook or a command of another library"


def program() -> Program:
    """The kind of program that this process runs, determined by the name that it was started with."""
    started = sys.argv[0] if sys.argv else ""
    if started == "-m":  # `python -m package.module`, whose package is being imported now
        package = sys.orig_argv[-len(sys.argv)].removeprefix("-m").partition(".")[0]
    else:
        package = _package_of(Path(started))
    if package in _PACKAGES:
        return Program.OURS
    return Program.FAIRSEQ if package == "fairseq_cli" else Program.OTHER


def _package_of(path: Path) -> str:
    """The package that a program belongs to: that of the console command, or the one that contains its file."""
    if path.name.split(" ")[0] == COMMAND:  # "swcm train" once the subcommand is known
        return "swcm_fairseq"
    if path.name.startswith("fairseq-"):
        return "fairseq_cli"
    file = path.resolve()
    checkout = Path(__file__).resolve().parent.parent
    if any(checkout / package in file.parents for package in _PACKAGES):
        return "swcm_fairseq"
    return file.parent.name
