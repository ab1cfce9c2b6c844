"""How often an update waits for the GPU, counted on a CPU to prevent regressions."""

import itertools

import pytest
import torch

from tests.waits import Waits

UPDATE = 12  # maximum number of waits in an update of four batches with scheduled sampling


def test_waits_are_seen():
    x = torch.arange(4)
    with Waits() as waits:
        x.sum().item()
        x[x > 1]
        x.tolist()
        torch.equal(x, x)
        x.nonzero()
        bool(x.any())
        x[x > 1] = 0
        x + 1
    assert waits.total == 6


@pytest.mark.parametrize(
    "more", [[], ["--restrict-vocabulary", "--group-batches-by", "language"], ["--first-pass-sampling"]]
)
def test_an_update_waits_at_most_twelve_times(trainer, more):
    trainer, updates = trainer(*more)
    first, *others = itertools.islice(updates, 3)
    trainer.train_step(first)  # teacher forcing
    for batches in others:
        assert len(batches) == 4
        with Waits() as waits:
            log = trainer.train_step(batches)
        assert log["teacher_forcing"] == 0.5
        assert waits.total <= UPDATE, waits.counts
