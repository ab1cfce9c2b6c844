import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swcm_fairseq.data.sampling import Purpose, generator, plan_epoch, probabilities, quotas, walk
from swcm_fairseq.errors import InputError

PAPER = {"bo": 184_045, "ug": 90_441, "kk": 57_827, "mn": 171_847, "zh": 836_075}


def test_formula():
    p = probabilities([1, 16], 0.5, [False, False])
    assert p == pytest.approx([1 / 5, 4 / 5])
    assert probabilities([1, 3], 1.0, [False, False]) == pytest.approx([0.25, 0.75])


def test_paper_corpora_give_the_papers_steps():
    """8 epochs of all samples once in sum, at batch 600: 17,864 steps."""
    total = sum(PAPER.values())
    assert 8 * -(-total // 600) == 17_872  # every epoch's last batch counts; without it 8 * 2233 = 17,864
    assert 8 * (total // 600) == 17_864
    p = probabilities(list(PAPER.values()), 0.3, [False] * 5)
    assert quotas(p, total).sum() == total


def test_translation_share():
    p = probabilities([10, 20, 5, 5], 0.3, [False, False, True, True], 0.25)
    assert p[2:].sum() == pytest.approx(0.25) and p.sum() == pytest.approx(1)
    assert p[1] / p[0] == pytest.approx(2**0.3)
    with pytest.raises(InputError, match="no pairs"):
        probabilities([1], 0.3, [False], 0.5)


@pytest.mark.parametrize("alpha", [0, -1, 1.01, float("nan")])
def test_alpha_out_of_range(alpha):
    with pytest.raises(InputError, match="--sampling-alpha"):
        probabilities([1, 2], alpha, [False, False])


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=12), st.floats(0.01, 1), st.integers(1, 5000))
def test_quotas_follow_p(sizes, alpha, total):
    p = probabilities(sizes, alpha, [False] * len(sizes))
    counts = quotas(p, total)
    assert counts.sum() == total and (counts >= 0).all()
    if total >= 2 * len(sizes):
        assert (counts >= 1).all()
    if (p * total >= 1).all():
        assert (np.abs(counts - p * total) < 1).all()


@given(st.integers(1, 50), st.lists(st.integers(0, 70), min_size=1, max_size=6), st.integers(0, 5))
def test_walk_repeats_nothing_until_all_is_used_up(length, numbers, seed):
    """Over epochs of any size: every round through the corpus is a permutation."""
    first, places = 0, []
    for number in numbers:
        places.append(walk(length, first, number, seed, 0))
        first += number
    whole = np.concatenate(places)
    for start in range(0, len(whole), length):
        part = whole[start : start + length]
        assert len(np.unique(part)) == len(part)
    assert np.array_equal(whole, walk(length, 0, first, seed, 0))


def test_rounds_and_corpora_differ():
    a, b = walk(100, 0, 100, 1, 0), walk(100, 100, 100, 1, 0)
    assert not np.array_equal(a, b) and not np.array_equal(a, walk(100, 0, 100, 1, 1))


def test_plan_has_the_quota_in_random_order():
    lengths, counts = [5, 50, 500], np.array([20, 30, 50])
    corpus, index = plan_epoch(lengths, counts, seed=1, epoch=3, earlier=2)
    assert np.array_equal(np.bincount(corpus), counts)
    assert all((index[corpus == k] < lengths[k]).all() for k in range(3))
    assert np.bincount(index[corpus == 0]).tolist() == [4] * 5  # four passes
    assert not np.array_equal(corpus, np.sort(corpus))
    again = plan_epoch(lengths, counts, seed=1, epoch=3, earlier=2)
    assert np.array_equal(corpus, again[0]) and np.array_equal(index, again[1])
    other = plan_epoch(lengths, counts, seed=1, epoch=4, earlier=3)
    assert not np.array_equal(corpus, other[0])


def test_purposes_and_samples_have_their_own_numbers():
    keys = [(1, Purpose.NOISE, 1, 2), (1, Purpose.NOISE, 2, 1), (1, Purpose.WALK, 1, 2), (2, Purpose.NOISE, 1, 2)]
    drawn = {tuple(generator(*key).integers(0, 2**62, 4)) for key in keys}
    assert len(drawn) == len(keys)
