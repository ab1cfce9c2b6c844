from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swcm_fairseq.criterions.schedule import Decay, TeacherForcingSchedule
from swcm_fairseq.errors import InputError

CURVES = st.sampled_from(list(Decay))


def test_linear_as_in_the_paper():
    schedule = TeacherForcingSchedule(Decay.linear, 100, 300, 0.2)
    assert [schedule.ratio(u) for u in (0, 100, 150, 200, 300, 999)] == pytest.approx([1, 1, 0.8, 0.6, 0.2, 0.2])


@given(CURVES, st.integers(0, 50), st.integers(1, 500), st.floats(0, 1))
def test_falls_from_one_to_the_final_ratio(decay, start, length, final):
    schedule = TeacherForcingSchedule(decay, start, start + length, final)
    ratios = [schedule.ratio(u) for u in range(start + length + 2)]
    assert set(ratios[: start + 1]) == {1.0}
    assert ratios[-2:] == [final, final]
    assert all(before >= after - 1e-12 for before, after in pairwise(ratios))


def test_the_curves_differ_where_they_should():
    linear, exponential, sigmoid = (TeacherForcingSchedule(decay, 0, 100, 0.0) for decay in Decay)
    assert exponential.ratio(20) == pytest.approx(0.36359, abs=1e-5)
    assert sigmoid.ratio(50) == pytest.approx(0.5)
    assert exponential.ratio(20) < linear.ratio(20) < sigmoid.ratio(20)


@pytest.mark.parametrize(
    ("start", "end", "final", "message"),
    [
        (10, 10, 0.5, "starts at 10 but ends at 10"),
        (10, 5, 0.5, "starts at 10 but ends at 5"),
        (-1, 5, 0.5, "decay-start -1: give"),
        (float("nan"), 5, 0.5, "decay-start nan: give"),
        (0, float("nan"), 0.5, "ends at nan"),
        (0, 5, 1.5, "give a number from 0 to 1"),
        (0, 5, -0.1, "give a number from 0 to 1"),
        (0, 5, float("nan"), "give a number from 0 to 1"),
    ],
)
def test_impossible_schedules_are_refused(start, end, final, message):
    with pytest.raises(InputError, match=message) as error:
        TeacherForcingSchedule(Decay.linear, start, end, final)
    assert "\n" not in str(error.value)


def test_bounds_do_not_matter_without_scheduled_sampling():
    assert TeacherForcingSchedule(Decay.linear, 0, 0, 1.0).ratio(7) == 1.0
