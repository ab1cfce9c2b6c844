"""End the thread that reads batches ahead before the interpreter ends.

fairseq's ``BufferedIterator`` (``--data-buffer-size``) reads batches in a daemon thread. A training that stops in the
middle of an epoch leaves it at work. If the interpreter ends while that thread is inside torch, the process aborts
("terminate called without an active exception") with exit status -6, although everything is saved.
"""

import atexit
import threading
import time
from contextlib import suppress
from queue import Empty

from fairseq.data.iterators import BackgroundConsumer

WAIT = 60.0  # seconds for the batch at hand; a loader that has died must not hold up the exit


def stop_reading_ahead(wait: float = WAIT) -> None:
    """Let each reading thread of this process finish the batch at hand, throw its batches away, and wait for its end.

    Args:
        wait: seconds in all.
    """
    end = time.monotonic() + wait
    for thread in threading.enumerate():
        if not isinstance(thread, BackgroundConsumer):
            continue
        thread._max_len = 0  # what fairseq itself compares after each batch
        while thread.is_alive() and time.monotonic() < end:
            with suppress(Empty):
                thread._queue.get_nowait()  # it may be waiting for a free place
            thread.join(0.01)


def install() -> None:
    """Do this whenever the interpreter ends."""
    atexit.register(stop_reading_ahead)
