"""Bad input gets one line: what is wrong, where, and how to fix it."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

INTERRUPTED = "interrupted; the same command continues where it stopped"


class InputError(ValueError):
    """Something the user gave (a file, a flag, a checkpoint) cannot be used.

    The message is one line: what, where (``file:line`` if there is one), and how to fix it. Raised as an
    ordinary exception, so that programs can catch it; at the terminal only the line is shown.
    """

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))

    @property
    def status(self) -> int:
        """Exit status: 2, as argparse's, if the line begins with the option to fix; else 1."""
        return 2 if str(self).startswith("--") else 1


def exists(path: Path | str) -> bool:
    """Whether there is such a file or folder; raises :class:`InputError` if the system does not tell.

    ``Path.exists`` raises an OSError for names that are too long and in folders without permission.
    """
    try:
        return Path(path).exists()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def report(error: BaseException) -> None:
    """Print ``error`` as one line on standard error."""
    print(f"error: {error}", file=sys.stderr)


def input_error(error: BaseException | None) -> InputError | None:
    """The :class:`InputError` behind ``error``: itself, or what it was raised from or while handling.

    fairseq's trainer wraps whatever goes wrong while a checkpoint is loaded.
    """
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    return error


def install_excepthook() -> None:
    """Show what the user can fix, and Ctrl-C, as one line; all else keeps its traceback.

    The user can fix an :class:`InputError`, wrapped or not, and what :func:`_explained` knows of fairseq's own errors.

    fairseq's command lines do not catch what a plugin raises. Python exits with status 1 after the hook, and with 130
    after Ctrl-C, which may come while modules are still imported.
    """
    # Otherwise Hydra (fairseq-hydra-train) prints the exception itself and exits before Python calls the hook.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    if not isinstance(sys.excepthook, _ExceptionHook):
        sys.excepthook = _ExceptionHook(sys.excepthook)


class _ExceptionHook:
    """Called by Python with an uncaught exception; the previous hook shows everything that users cannot fix."""

    def __init__(self, previous: Callable[[type[BaseException], BaseException, TracebackType | None], object]):
        self.previous = previous

    def __call__(self, kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        cause = input_error(error)
        if cause is not None:
            report(cause)
        elif issubclass(kind, KeyboardInterrupt):
            print(INTERRUPTED, file=sys.stderr)
        elif (line := _explained(error)) is not None:
            print(f"error: {line}", file=sys.stderr)
        else:
            self.previous(kind, error, trace)


def _explained(error: BaseException) -> str | None:
    """What :mod:`swcm_fairseq.fairseq_errors` says of an error, if fairseq is there by now."""
    if "fairseq" not in sys.modules:
        return None
    from swcm_fairseq.fairseq_errors import explained

    return explained(error)


def _missing_requirement() -> InputError:
    """What is missing or too old, if that is why something cannot be imported; else the error at hand is a bug."""
    from swcm_fairseq.requirements_check import problem

    line = problem()
    if line is None:
        raise
    return InputError(line)


def run_command(main: Callable[[], None]) -> None:
    """Run a command's ``main``: an :class:`InputError` becomes one line and its status, Ctrl-C one line and 130.

    So does what the system refuses, such as more text on a full disk that standard output is written to, and a library
    that is missing or too old.
    """
    try:
        main()
        sys.stdout.flush()
    except InputError as error:
        report(error)
        sys.exit(error.status)
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone (`| head`); nothing to say
        sys.exit(0)
    except ImportError:
        report(_missing_requirement())
        sys.exit(1)
    except OSError as error:
        report(InputError(f"{error.filename or 'standard output'}: {error.strerror or error}"))
        if error.filename is None:  # Python writes the rest of standard output when it exits
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
