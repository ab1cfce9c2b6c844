"""A few kills of every kind; ``make faults`` performs many (tests/faults/kills.py)."""

import pytest

from tests.faults.kills import campaign

KILLS = 4


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_killed_runs_end_like_uninterrupted_ones(tmp_path):
    hit, unharmed = campaign(tmp_path, KILLS, seed=1, workers=[1])
    assert unharmed == sum(hit.values()) == KILLS
