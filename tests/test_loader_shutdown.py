"""The thread that prefetches batches ends before the interpreter."""

import itertools
from threading import Event

import pytest
from fairseq.data.iterators import BufferedIterator

from swcm_fairseq.loader_shutdown import stop_reading_ahead


class Endless:
    """An endless stream of batches."""

    def __len__(self):
        return 10**9

    def __iter__(self):
        return itertools.count()


@pytest.mark.parametrize("size", [1, 10])
def test_ends_the_thread_that_waits_for_a_free_slot(size):
    batches = BufferedIterator(size, Endless())
    assert [next(batches), next(batches)] == [0, 1]
    thread = batches._consumer
    assert thread.is_alive()
    stop_reading_ahead()
    assert not thread.is_alive()


def test_does_not_wait_for_a_loader_that_hangs():
    awake = Event()

    class Hanging(Endless):
        def __iter__(self):
            yield 0
            awake.wait()
            yield 1

    batches = BufferedIterator(1, Hanging())
    next(batches)
    stop_reading_ahead(wait=0.05)
    assert batches._consumer.is_alive()
    awake.set()
    stop_reading_ahead()
    assert not batches._consumer.is_alive()
