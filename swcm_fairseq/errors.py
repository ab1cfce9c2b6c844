"""Report bad input in one line: what is wrong, where, and how to fix it."""

import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import TracebackType

INTERRUPTED = "interrupted; the same command continues where it stopped"

Explain = Callable[[BaseException], str | None]
_explanations: list[Explain] = []


class InputError(ValueError):
    """Input from the user (a file, a flag, a checkpoint) cannot be used.

    The message is one line: what is wrong, where (``file:line`` if possible), and how to fix it. Programs can catch
    this error like any exception; in a terminal, only the line is shown.
    """

    def __init__(self, message: str):
        super().__init__(" ".join(message.split()))

    @property
    def status(self) -> int:
        """Exit status: 2, as in argparse, if the message begins with the option to fix; otherwise 1."""
        return 2 if str(self).startswith("--") else 1


class RequirementError(InputError, ImportError):
    """A library is missing or too old. Scripts can catch this as an ImportError; commands show one line."""


def exists(path: Path | str) -> bool:
    """Whether a file or folder exists; raises :class:`InputError` if that cannot be determined.

    ``Path.exists`` raises an OSError for names that are too long and for folders without permission.
    """
    try:
        return Path(path).exists()
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error


def report(error: BaseException) -> None:
    """Print ``error`` as one line on standard error."""
    print(f"error: {error}", file=sys.stderr)


def input_error(error: BaseException | None) -> InputError | None:
    """The :class:`InputError` behind ``error``: the error itself, its cause or its context.

    fairseq's trainer wraps all errors that occur while it loads a checkpoint.
    """
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    return error


def install_excepthook() -> None:
    """Show errors that the user can fix, and Ctrl-C, as one line; other errors keep their traceback.

    The user can fix an :class:`InputError`, wrapped or not, and an error with an explanation (:func:`explain_with`).

    The hook is needed because fairseq's commands do not catch errors of a plugin, and because the user may press Ctrl-C
    during imports. After the hook, Python exits with status 1, or 130 after Ctrl-C.
    """
    # Otherwise Hydra (fairseq-hydra-train) prints the exception itself and exits before Python calls the hook.
    os.environ.setdefault("HYDRA_FULL_ERROR", "1")
    if not isinstance(sys.excepthook, _ExceptionHook):
        sys.excepthook = _ExceptionHook(sys.excepthook)


class _ExceptionHook:
    """Called by Python with uncaught exceptions; passes those that users cannot fix to the previous hook."""

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


def explain_with(explained: Explain) -> None:
    """Show errors as the line that ``explained`` returns for them; it returns None for an error that may be a bug."""
    _explanations.append(explained)


def _explained(error: BaseException) -> str | None:
    return next((line for explain in _explanations if (line := explain(error)) is not None), None)


def check_requirements() -> None:
    """Raise :class:`RequirementError` if a library is missing or too old."""
    missing = _missing_requirement()
    if missing is not None:
        raise missing


def _missing_requirement() -> RequirementError | None:
    """The library that is missing or too old, if there is one."""
    from swcm_fairseq.requirements_check import problem  # not at the top: most commands never need it

    line = problem()
    return None if line is None else RequirementError(line)


def run_command(main: Callable[[], None]) -> None:
    """Run the ``main`` of a command, and report errors that the user can fix in one line.

    The exit status is that of the :class:`InputError`, 130 after Ctrl-C, and 1 for system errors, such as a full disk,
    and for a library that is missing or too old.
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
        sys.stderr.close()  # the reader of our output has closed it (`| head`), so report nothing
        sys.exit(0)
    except ImportError:
        missing = _missing_requirement()
        if missing is None:
            raise
        report(missing)
        sys.exit(1)
    except OSError as error:
        report(InputError(f"{error.filename or 'standard output'}: {error.strerror or error}"))
        if error.filename is None:  # otherwise, Python would try to write the rest of standard output on exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
