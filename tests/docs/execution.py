"""Run the commands and Python code of a page in the working directory."""

import os
import shlex
import shutil
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from swcm_fairseq.cli import COMMANDS
from tests.commands import FAIRSEQ, run
from tests.docs import smoke

PLUGIN = "$(python -m swcm_fairseq)"
LAUNCHED = "$(which fairseq-train)"


def arguments(command: str, repository: Path) -> list[str]:
    """Split a command into words like the shell; commands that start several processes get one."""
    if "|" in command or ">" in command or "&" in command:
        raise AssertionError(f"pipes and redirections are not supported: {command}")
    command = command.replace(PLUGIN, str(repository / "swcm_fairseq")).replace(LAUNCHED, "fairseq-train")
    words = shlex.split(command, comments=True)
    if "--user-dir" in words:  # relative to the root of the repository, the reader's working directory
        place = words.index("--user-dir") + 1
        words[place] = str(repository / words[place])
    return words[words.index("fairseq-train") :] if words[0] == "torchrun" else words


def small(words: list[str]) -> list[str]:
    """The command at the smallest size (see :mod:`tests.docs.smoke`)."""
    program = words[2] if words[1] == "-m" else words[0]
    if program == "swcm":
        program = smoke.SWCM.get(words[1], words[1])
    kept = [smoke.REPLACED.get(word, word) for word in words if word not in smoke.LEFT_OUT]
    return kept + smoke.ADDED.get(program, [])


def why_not_run(words: list[str]) -> str | None:
    """The reason for not running a command, or None if it is run."""
    for beginning, reason in smoke.NOT_RUN.items():
        program = beginning.split()
        flags = [word for word in program if word.startswith("--")]
        plain = " ".join(word for word in program if word not in flags)
        if " ".join(words).startswith(plain) and all(flag in words for flag in flags):
            return reason
    return None


def execute(command: str, repository: Path) -> None:
    """Run a command, or check it as far as possible if it cannot be run.

    Raises:
        AssertionError: the kind of command is neither run nor listed.
        Exception: the command fails.
    """
    words = arguments(command, repository)
    environment = {}
    while "=" in words[0]:
        name, _, value = words.pop(0).partition("=")
        environment[name] = value
    if why_not_run(words):
        check(words, repository)
    elif words[0] in FAIRSEQ or words[0] in ("python", "swcm"):
        if "--save-dir" in words:  # a prepared checkpoint of that name is for other pages
            shutil.rmtree(words[words.index("--save-dir") + 1], ignore_errors=True)
        run(*small(words))
    elif words[0] == "make":
        shell(["make", "-n", *words[1:]], repository, environment)
    elif words[0].startswith("examples/"):
        # Other tests run whole recipes.
        shell([words[0], "--dry-run", *words[1:]], repository, environment)
    else:
        raise AssertionError(f"neither run nor listed in tests/docs/smoke.py: {command}")


def check(words: list[str], repository: Path) -> None:
    """Check a command without running it: its file exists, or its arguments can be parsed."""
    if words[0] == "swcm":
        import_module(COMMANDS[words[1]].module).build_parser().parse_args(words[2:])
    for word in words:
        if word.endswith((".py", ".sh", ".sbatch")):
            assert (repository / word).is_file(), f"{word}: no such file"


def shell(words: list[str], repository: Path, environment: dict[str, str]) -> None:
    """Run a program from the root of the repository, with this Python's programs first on the path."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        words, cwd=repository, env={**os.environ, **environment, "PATH": path}, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{shlex.join(words)}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
