"""``swcm step``: run a command of a recipe once.

When the command has succeeded, it is recorded in DIR/done/NAME.json. From then on, the step is skipped, unless the
command or a path that it reads has changed, or a path that it writes is missing. The exit status is the command's, or
75 if another process is working on the step.
"""

import argparse
import fcntl
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.errors import run_command
from swcm_fairseq.finished_steps import Step
from swcm_fairseq.output_files import cannot_write, remove
from swcm_fairseq.reporting.progress import follow, last_words

TO_DO = 3  # exit status of --check
BUSY = 75  # EX_TEMPFAIL of sysexits.h
MACHINE = "--node_rank"  # an option of torchrun, not recorded, because all machines run the same step


def run_logged(command: list[str], log: Path) -> int:
    """Run a command with its output in ``log``; if it fails, print its error line or the end of the log.

    Returns:
        The exit status of the command.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("w", encoding="utf-8") as file:
        status = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT).wait()
    if status:
        sys.stderr.writelines(last_words(log.read_text(encoding="utf-8", errors="replace").splitlines(True), log))
    return status


def run_followed(command: list[str], log: Path, unit: str, label: str | None, row: int) -> int:
    """Train under a progress bar (see :func:`swcm_fairseq.reporting.progress.follow`); returns its status."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8", errors="replace"
    ) as process:
        followed = follow(process.stdout or [], log, unit, label, row)
    return process.returncode or followed


@contextmanager
def sole(record: Path, wait: str | None) -> Iterator[bool]:
    """Lock a step on this machine and on all machines that share its file system.

    Args:
        record: the record of the step; the lock is a file next to it.
        wait: the text to print before waiting for another process that holds the lock; None means not to wait.

    Yields:
        Whether this process has the lock.
    """
    lock = record.with_suffix(".lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        file = lock.open("a")
    except OSError as error:
        raise cannot_write(lock, error) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if wait is None:
                yield False
                return
            print(f"waiting: {wait}", flush=True)
            fcntl.flock(file, fcntl.LOCK_EX)
        yield True


def run_step(args: argparse.Namespace) -> int:
    """Run the step, or with ``--check``, say whether it is done; returns the exit status."""
    record = args.directory / "done" / f"{args.name}.json"
    step = Step(record, args.name, recorded(args.command), args.reads, args.writes)
    if args.machine:  # the first machine holds the lock and writes the record
        return 0 if step.is_done() else TO_DO if args.check else execute(args)
    with sole(record, args.wait) as alone:
        if not alone:
            print(f"[{args.name}] another process is working on it (it holds {record.with_suffix('.lock')}), skipped")
            return BUSY
        if args.check:
            return 0 if step.is_done() else TO_DO
        step.do(lambda: _succeed(args))
    return 0


def _succeed(args: argparse.Namespace) -> None:
    """Remove old outputs and run the command; if it fails, exit with its status, so that the step is not recorded."""
    for path in args.writes:
        remove(path)
    status = execute(args)
    if status:
        sys.exit(status)


def recorded(command: list[str]) -> list[str]:
    """The command without the option whose value differs between the machines that run it."""
    return [word for before, word in zip(["", *command], command, strict=False) if before != MACHINE]


def execute(args: argparse.Namespace) -> int:
    """Print and run the command; returns its exit status as a shell reports it."""
    if args.row == 0:  # other rows differ only in names and options
        print(f"\n[{args.name}] {args.title}\n$ {shlex.join(args.command)}", flush=True)
    before = signal.signal(signal.SIGINT, lambda *_: None)  # Ctrl-C also reaches the command, which stops by itself
    try:
        status = _run(args)
    finally:
        signal.signal(signal.SIGINT, before)
    return status if status >= 0 else 128 - status


def _run(args: argparse.Namespace) -> int:
    if args.log is None:
        return subprocess.Popen(args.command).wait()
    if args.progress is None or args.machine:
        return run_logged(args.command, args.log)
    return run_followed(args.command, args.log, args.progress, args.label, args.row)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("step", __doc__)
    add = parser.add_argument
    paths = partial(add, type=Path, action="append", default=[], metavar="PATH")
    paths("--reads", help="a path that the command reads; may be repeated")
    paths("--writes", help="a path that the command writes, removed before it starts; may be repeated")
    add("--log", type=Path, metavar="FILE", help="write the command's output to FILE instead of the terminal")
    add("--progress", choices=["update", "epoch"], help="show the progress bar of a training run, in this unit")
    add("--label", metavar="TEXT", help="text in front of the progress bar")
    add("--row", type=int, default=0, metavar="N", help="row of the progress bar if several steps run at once")
    add("--machine", type=int, default=0, metavar="I", help="number of this machine; machine 0 writes the record")
    add("--wait", metavar="TEXT", help="if another process is working on the step, print TEXT and wait for it")
    add("--check", action="store_true", help=f"only check whether the step is done; exit with {TO_DO} if it is not")
    add("directory", type=Path, metavar="DIR", help="directory of the run")
    add("name", metavar="NAME", help="name of the step")
    add("title", metavar="TITLE", help="what the step does, printed before it runs")
    parser.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND", help="the command and its arguments")
    return parser


def main() -> None:
    """Run the command line."""
    parser = build_parser()
    args = parser.parse_args()
    if not args.command:
        parser.error("the command is missing; see --help")
    sys.exit(run_step(args))


if __name__ == "__main__":
    run_command(main)
