"""A few kills of every kind; ``make faults`` performs many (tests/faults/kills.py)."""

import pytest

from tests.faults.kills import campaign

KILLS = 4


@pytest.mark.e2e
@pytest.mark.timeout(900)
def test_killed_trainings_end_as_if_they_had_lived(tmp_path):
    hit, unharmed = campaign(tmp_path, KILLS, seed=1, workers=[1])
    assert unharmed == sum(hit.values()) == KILLS
