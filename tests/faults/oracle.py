"""Judge a case of the campaign: defines what every command must do with any input."""

import contextlib
import hashlib
import io
import re
import signal
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from swcm_fairseq.errors import run_command

CPU_SECONDS = 20  # limit per case; all cases take well below one second
# Messages of Python and its libraries that users must never see.
INTERNALS = re.compile(
    r"Traceback|<class |object at 0x|\b(Key|Type|Value|Attribute|Index|Runtime|Assertion)Error\b|NoneType|weights_only"
    r"|recursion|codec can't|argument of type|not subscriptable|positional argument"
)


class HangError(BaseException):
    """A case does not end."""


@dataclass
class Verdict:
    """The outcome of a case.

    Attributes:
        kind: ok, refused, traceback, hang, loss or unclear.
        detail: the defect, or the message.
    """

    kind: str
    detail: str = ""

    @property
    def is_fault(self) -> bool:
        """Whether the command has a defect."""
        return self.kind not in ("ok", "refused")


def contents(folder: Path) -> dict[str, str]:
    """SHA-256 of every file in a folder."""
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def judge(main: Callable[[list[str]], None], argv: list[str], inputs: list[Path], rejects: Path | None) -> Verdict:
    """Run a command in this process and judge it.

    Args:
        main: function that runs the command.
        argv: arguments of the command.
        inputs: folders that it must not change.
        rejects: file of rejects, if the lines of ``argv[1]`` and of the output must be counted.
    """
    before = [contents(folder) for folder in inputs]
    status, err, defect = _run(main, argv)
    if defect is not None:
        return defect
    for folder, files in zip(inputs, before, strict=True):
        changed = sorted(set(files.items()) - set(contents(folder).items()))
        if changed:
            return Verdict("loss", f"{changed[0][0]} was changed")
    for folder in inputs:
        if list(folder.parent.rglob(".*.partial")):
            return Verdict("loss", "something half-written was left behind")
    if status:
        return _refusal(err)
    return _counted(argv, rejects) if rejects is not None else Verdict("ok")


def _run(main: Callable[[list[str]], None], argv: list[str]) -> tuple[int, str, Verdict | None]:
    def stop(*_: object) -> None:
        raise HangError

    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8"), io.StringIO()
    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, CPU_SECONDS)
    status, defect = 0, None
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            run_command(lambda: main(argv))
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except HangError:
        defect = Verdict("hang", f"more than {CPU_SECONDS} s of CPU")
    except BaseException as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        defect = Verdict("traceback", f"{type(error).__name__}: {error} ({Path(frame.filename).name}:{frame.lineno})")
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
    return status, err.getvalue(), defect


def _refusal(err: str) -> Verdict:
    """Judge an error message, which must be one line, possibly after argparse's usage."""
    lines = [line for line in err.splitlines() if "error: " in line]
    if len(lines) != 1 or (err.startswith("error: ") and len(err.splitlines()) != 1):
        return Verdict("unclear", f"not one line: {err[:300]!r}")
    if INTERNALS.search(lines[0]):
        return Verdict("unclear", lines[0])
    return Verdict("refused", lines[0])


def _counted(argv: list[str], rejects: Path) -> Verdict:
    """Check that every line of the input is in the output or in the list of rejects."""
    source, output = (Path(argv[argv.index(option) + 1]) for option in ("--input", "--output"))
    read = source.read_bytes()
    lines = read.count(b"\n") + (not read.endswith(b"\n"))
    kept, left_out = (path.read_bytes().count(b"\n") for path in (output, rejects))
    if lines != kept + left_out:
        return Verdict("loss", f"{lines} lines in, {kept} kept and {left_out} left out")
    return Verdict("ok")
