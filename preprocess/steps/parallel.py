"""An ordered map over several processes, with a bounded number of blocks in flight so that memory stays constant."""

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from typing import TypeVar

from swcm_fairseq.errors import InputError

MAX_WORKERS = 1024
_WORK: Callable[..., object]  # set in each worker process


T = TypeVar("T")
Result = TypeVar("Result")


def batches(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of ``size`` items; the last one may be shorter."""
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch


def _set_work(work: Callable[..., object]) -> None:
    global _WORK
    _WORK = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole process group; the parent cleans up
    threading.Thread(target=_exit_with_parent, daemon=True).start()


def _exit_with_parent() -> None:
    """End this process when its parent has been killed; otherwise it would wait for work forever."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _do(item: T) -> Result:  # type: ignore[type-var]
    return _WORK(item)  # type: ignore[return-value]


@contextmanager
def _interrupt_later() -> Iterator[None]:
    """Delay Ctrl-C until the first ``submit`` has started the processes.

    Python ignores exceptions in functions that libraries run after a fork, so Ctrl-C would be lost.
    """
    if threading.current_thread() is not threading.main_thread():  # only the main thread gets interrupts
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        signal.raise_signal(signal.SIGINT)


def _until_failure(items: Iterable[T], failed: list[Exception]) -> Iterator[T]:
    """``items`` until they raise; the exception goes to ``failed``, because earlier items are still in progress."""
    try:
        yield from items
    except Exception as error:  # raised again after the results of the items before it
        failed.append(error)


def ordered_map(work: Callable[[T], Result], items: Iterable[T], workers: int) -> Iterator[Result]:
    """``map(work, items)`` on ``workers`` processes (1: in this process); results are in the order of the items.

    Args:
        work: function to apply, or an object with ``__call__`` that holds models; sent to each process once.
        items: arguments of ``work``; at most two per worker are read ahead.
        workers: number of processes.

    Raises:
        Exception: the first exception of ``work`` or ``items`` in the order of the items.
        InputError: a worker process was killed, or there are too many.
    """
    if workers > MAX_WORKERS:
        raise InputError(f"{workers} worker processes: give at most {MAX_WORKERS}, ideally the number of cores")
    if workers <= 1:
        yield from map(work, items)
        return
    with ProcessPoolExecutor(workers, initializer=_set_work, initargs=(work,)) as pool:
        pending: deque[Future[Result]] = deque()
        failed: list[Exception] = []
        try:
            for item in _until_failure(items, failed):
                with _interrupt_later():
                    pending.append(pool.submit(_do, item))
                if len(pending) >= 2 * workers:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
            if failed:
                raise failed[0]
        except BrokenProcessPool as error:
            raise InputError("a worker process was killed (out of memory?): use fewer workers") from error
        finally:
            for future in pending:
                future.cancel()
