"""Stop the thread that prefetches batches before the interpreter exits.

fairseq's ``BufferedIterator`` (``--data-buffer-size``) reads batches in a daemon thread. A run that stops in the middle
of an epoch leaves this thread running. If the interpreter exits while the thread is inside torch, the process
aborts ("terminate called without an active exception") with exit status -6, although everything has been saved.
"""

import atexit
import threading
import time
from contextlib import suppress
from queue import Empty

from fairseq.data.iterators import BackgroundConsumer

WAIT = 60.0  # seconds to wait for the current batch, so that a dead loader does not block the exit


def stop_reading_ahead(wait: float = WAIT) -> None:
    """Let each prefetching thread of this process finish its current batch, discard its batches and wait for its end.

    Args:
        wait: maximum time to wait in total, in seconds.
    """
    end = time.monotonic() + wait
    for thread in threading.enumerate():
        if not isinstance(thread, BackgroundConsumer):
            continue
        thread._max_len = 0  # the limit that fairseq checks after each batch
        while thread.is_alive() and time.monotonic() < end:
            with suppress(Empty):
                thread._queue.get_nowait()  # the thread may be waiting for a free slot
            thread.join(0.01)


def install() -> None:
    """Stop prefetching whenever the interpreter exits."""
    atexit.register(stop_reading_ahead)
