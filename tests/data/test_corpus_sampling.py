import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from swcm_fairseq.data.corpus_sampling import (
    Purpose,
    SamplingBy,
    Temperature,
    generator,
    plan_epoch,
    quotas,
    walk,
    with_share,
)
from swcm_fairseq.errors import InputError

PAPER = {"bo": 184_045, "ug": 90_441, "kk": 57_827, "mn": 171_847, "zh": 836_075}


# CINO, Table 6: number of tokens, and mean number of tokens per text.
CINO_TOKENS = {
    "bo": (130e6, 13.4),
    "kk": (238e6, 60.7),
    "ko": (170e6, 20.0),
    "mn": (337e6, 25.7),
    "ug": (1e9, 23.1),
    "yue": (276e6, 12.6),
    "za": (23e6, 58.1),
    "zh": (1.2e9, 254.0),
}


def by_corpus(samples, alpha):
    temperature = Temperature(alpha, by=SamplingBy.corpus)
    return temperature.probabilities(samples, samples, [""] * len(samples))


def test_formula():
    assert by_corpus([1, 16], 0.5) == pytest.approx([1 / 5, 4 / 5])
    assert by_corpus([1, 3], 1.0) == pytest.approx([0.25, 0.75])


def test_paper_corpora_give_the_papers_steps():
    """8 epochs, each as long as all samples together, with batch size 600: 17,864 steps."""
    total = sum(PAPER.values())
    assert 8 * -(-total // 600) == 17_872  # with the last batch of every epoch; without it, 8 * 2233 = 17,864
    assert 8 * (total // 600) == 17_864
    assert quotas(by_corpus(list(PAPER.values()), 0.3), total).sum() == total


@pytest.mark.parametrize("by", SamplingBy)
@pytest.mark.parametrize(("beta", "bo", "zh"), [(0.0, 3.9, 44.7), (0.3, 6.0, 28.6)])
def test_shares_of_tokens_that_cino_sees(by, beta, bo, zh):
    """CINO's section 3.2.1 with its alpha of 0.7: equation 1, and equation 2 with beta = 1 - alpha."""
    tokens, lengths = np.array(list(CINO_TOKENS.values())).T
    p = Temperature(0.7, beta, by).probabilities(tokens / lengths, tokens, list(CINO_TOKENS))
    seen = p * lengths / (p * lengths).sum()
    shares = dict(zip(CINO_TOKENS, (100 * seen).round(1), strict=True))
    assert (shares["bo"], shares["zh"]) == (bo, zh)
    if beta:  # equation 3
        assert seen == pytest.approx(tokens**0.7 / (tokens**0.7).sum())


@pytest.mark.parametrize(("by", "percent", "passes"), [("language", 1.5, 1.44), ("corpus", 28.9, 24.5)])
def test_share_of_translation_in_the_papers_data(by, percent, passes):
    """2,000 pairs of zh and each other language, in both directions."""
    langs = [*PAPER, *(lang for lang in PAPER if lang != "zh"), *["zh"] * 4]
    samples = [*PAPER.values(), *[2000] * 8]
    p = Temperature(0.3, by=SamplingBy[by]).probabilities(samples, samples, langs)
    assert 100 * p[5:].sum() == pytest.approx(percent, abs=0.05)
    bo_to_zh = p[5] * sum(samples) / 2000
    assert bo_to_zh == pytest.approx(passes, abs=0.05)


def test_inside_a_language_corpora_are_drawn_in_proportion():
    p = Temperature(0.5).probabilities([10, 30, 160], [20, 30, 900], ["bo", "bo", "zh"])
    assert p == pytest.approx([40**0.5 / (40**0.5 + 160**0.5) * share for share in (0.25, 0.75)] + [2 / 3])
    p = Temperature(1.0, by_tokens=True).probabilities([10, 30, 160], [20, 80, 900], ["bo", "bo", "zh"])
    assert p == pytest.approx([0.02, 0.08, 0.9])


def test_share():
    names = ("pairs", "monolingual")
    p = with_share(by_corpus([10, 20, 5, 5], 0.3), [False, False, True, True], 0.25, "--translation-share", names)
    assert p[2:].sum() == pytest.approx(0.25) and p.sum() == pytest.approx(1)
    assert p[1] / p[0] == pytest.approx(2**0.3)
    with pytest.raises(InputError, match="no pairs"):
        with_share(np.ones(1), [False], 0.5, "--translation-share", names)


@pytest.mark.parametrize("alpha", [0, -1, 1.01, float("nan")])
def test_alpha_out_of_range(alpha):
    with pytest.raises(InputError, match="--sampling-alpha"):
        Temperature(alpha)


@pytest.mark.parametrize("beta", [-0.1, 1.01, float("nan")])
def test_beta_out_of_range(beta):
    with pytest.raises(InputError, match="--sampling-beta"):
        Temperature(0.3, beta)


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=12), st.floats(0.01, 1), st.integers(1, 5000))
def test_quotas_follow_p(sizes, alpha, total):
    p = by_corpus(sizes, alpha)
    counts = quotas(p, total)
    assert counts.sum() == total and (counts >= 0).all()
    if total >= 2 * len(sizes):
        assert (counts >= 1).all()
    if (p * total >= 1).all():
        assert (np.abs(counts - p * total) < 1).all()


@given(st.integers(1, 50), st.lists(st.integers(0, 70), min_size=1, max_size=6), st.integers(0, 5))
def test_nothing_is_repeated_before_everything_is_used(length, numbers, seed):
    """With epochs of any size, every pass over the corpus is a permutation."""
    first, places = 0, []
    for number in numbers:
        places.append(walk(length, first, number, seed, 0))
        first += number
    whole = np.concatenate(places)
    for start in range(0, len(whole), length):
        part = whole[start : start + length]
        assert len(np.unique(part)) == len(part)
    assert np.array_equal(whole, walk(length, 0, first, seed, 0))


def test_passes_and_corpora_differ():
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
