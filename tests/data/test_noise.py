"""The noise: its statistics, and its invariants for any input and options."""

import math

import numpy as np
import pytest
from fairseq.data import Dictionary
from hypothesis import given, settings
from hypothesis import strategies as st

from swcm_fairseq.data.noise import (
    SPAN_POISSON,
    MaskLength,
    Noise,
    NoiseIds,
    add_noise,
    insert_masks,
    mask_spans,
    permute_sentences,
    place_spans,
    span_lengths,
)
from swcm_fairseq.data.piece_boundaries import PieceTable
from swcm_fairseq.errors import InputError

MASK, FIRST, END = 100, 4, 100
IDS = NoiseIds(mask=MASK, first_piece=FIRST, end_piece=END)


def chi_square(observed: np.ndarray, expected: np.ndarray) -> float:
    """The statistic in standard deviations above its mean (Wilson-Hilferty); below 3 in 999 of 1,000 cases."""
    freedom = len(observed) - 1
    statistic = float(((observed - expected) ** 2 / expected).sum())
    return ((statistic / freedom) ** (1 / 3) - (1 - 2 / (9 * freedom))) / math.sqrt(2 / (9 * freedom))


def poisson(mean: float, last: int) -> np.ndarray:
    """Probabilities of 0 .. last - 1, and of values >= last."""
    p = np.array([math.exp(-mean) * mean**k / math.factorial(k) for k in range(last)])
    return np.append(p, 1 - p.sum())


@pytest.mark.parametrize("words", [30, 60, 120, 250])
def test_ten_thousand_texts_share_and_span_lengths(words):
    rng = np.random.default_rng(words)
    spans = [span_lengths(words, 0.35, 3.5, rng) for _ in range(10_000)]
    lengths = np.concatenate(spans)
    assert lengths.sum() / (words * len(spans)) == pytest.approx(0.35, abs=0.01)
    assert lengths.mean() == pytest.approx(3.5, abs=0.1)
    observed = np.bincount(np.minimum(lengths, 12), minlength=13)
    assert chi_square(observed, poisson(3.5, 12) * len(lengths)) < 3


@pytest.mark.parametrize("words", [1, 2, 3, 5, 8, 12])
def test_short_texts_are_masked_as_much(words):
    rng = np.random.default_rng(words)
    masked = sum(span_lengths(words, 0.35, 3.5, rng).sum() for _ in range(20_000))
    assert masked / (words * 20_000) == pytest.approx(0.35, abs=0.03)


SYLLABLES = {  # pieces that begin a word, and pieces that continue one
    "bo": (["བོད་", "ཡིག་", "▁དང་"], ["འི", "ས"]),
    "kk": (["▁бұл", "▁жақсы"], ["кі", "тап", "."]),
    "mn": (["▁энэ", "▁сайн"], ["ном", "."]),
    "ug": (["▁بۇ", "▁ياخشى"], ["كى", "تاب"]),
    "zh": (["▁我", "喜欢", "你", "。"], []),
}


@pytest.mark.parametrize("lang", SYLLABLES)
def test_ten_thousand_texts_of_each_language(lang):
    """Measured on the result: missing words, and the masks that replace them."""
    begin, inside = SYLLABLES[lang]
    dictionary = Dictionary()
    for piece in (*begin, *inside):
        dictionary.add_symbol(piece)
    table = PieceTable.build(dictionary, lang)
    rng = np.random.default_rng(7)
    noise = Noise(permute_sentences=0)
    ids = NoiseIds(mask=10_000, first_piece=4, end_piece=9)
    words = gone = masks = 0
    for _ in range(10_000):
        text = rng.integers(4, len(dictionary), int(rng.integers(60, 160)))
        starts = table.word_starts(text)
        if lang != "zh":
            assert 0 < starts.sum() < len(text)
        # The id of every token is its position, which identifies the words that are left.
        left = add_noise(np.arange(len(text)), starts, starts, noise, ids, len(text), rng)
        masks += int((left == ids.mask).sum())
        words += int(starts.sum())
        gone += int(starts.sum() - starts[left[left != ids.mask]].sum())
    assert gone / words == pytest.approx(0.35, abs=0.01)
    assert gone / masks == pytest.approx(3.5, abs=0.1)


def test_one_text_is_near_its_share():
    rng = np.random.default_rng(0)
    shares = [span_lengths(200, 0.35, 3.5, rng).sum() / 200 for _ in range(2000)]
    assert np.std(shares) < 0.02


def test_chi_square_sees_shortened_spans():
    """fairseq shortens the last span to fit; with texts of 100 words, it would fail the test above."""
    rng = np.random.default_rng(0)
    lengths = []
    for _ in range(10_000):
        left = 35
        while left > 0:
            lengths.append(min(left, int(rng.poisson(3.5))))
            left -= lengths[-1]
    observed = np.bincount(np.minimum(lengths, 12), minlength=13)
    assert chi_square(observed, poisson(3.5, 12) * len(lengths)) > 10


def test_every_word_is_masked_as_often():
    rng = np.random.default_rng(0)
    hits = np.zeros(20)
    for _ in range(4000):
        lengths = span_lengths(20, 0.35, 3.5, rng)
        for first, length in zip(place_spans(lengths, 20, rng), lengths, strict=True):
            hits[first : first + length] += 1
    assert hits.mean() / 4000 == pytest.approx(0.35, abs=0.01)
    # Spans lie within the text, so words near its edges are in slightly fewer spans.
    assert hits[5:-5].std() / hits[5:-5].mean() < 0.05


def test_one_mask_for_a_span_and_one_before_a_word_for_an_empty_span():
    tokens = np.arange(10, 20)
    result = insert_masks(tokens, np.array([0, 10, 3]), 0.0, IDS, np.random.default_rng(0))
    assert result.tolist() == [MASK, 10, 11, 12, MASK, 13, 14, 15, 16, 17, 18, 19, MASK]
    noise = Noise(mask=0.5, mask_length=MaskLength.word)
    starts = np.array([0, 2, 4, 6, 8])
    for seed in range(20):
        kept = mask_spans(tokens, starts, noise, IDS, 10, np.random.default_rng(seed)).tolist()
        assert kept.count(MASK) in (2, 3)
        for word in ([10, 11], [12, 13], [14, 15], [16, 17], [18, 19]):
            assert (word[0] in kept) == (word[1] in kept)


@pytest.mark.parametrize(("replace", "length"), [(1, 8), (0, 6), (-1, 10)])
def test_replace_length(replace, length):
    noise = Noise(mask=0.4, mask_length=MaskLength.word, replace_length=replace)
    tokens, starts = np.arange(10, 20), np.array([0, 2, 4, 6, 8])
    result = mask_spans(tokens, starts, noise, IDS, 10, np.random.default_rng(3))
    assert len(result) == length
    assert (result == MASK).sum() == {1: 2, 0: 0, -1: 4}[replace]


texts = st.integers(0, 60).flatmap(
    lambda n: st.tuples(
        st.lists(st.integers(FIRST, END - 1), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n),
        st.lists(st.booleans(), min_size=n, max_size=n),
    )
)
shares = st.one_of(st.sampled_from([0.0, 1.0]), st.floats(0, 1))
noises = st.builds(
    Noise,
    mask=shares,
    mask_length=st.sampled_from(list(MaskLength)),
    poisson_lambda=st.floats(0.1, 10),
    replace_length=st.sampled_from([-1, 0, 1]),
    mask_random=shares,
    insert=shares,
    rotate=shares,
    permute_sentences=shares,
)


def arrays(text):
    tokens, words, sentences = text
    tokens = np.array(tokens, dtype=np.int64)
    words, sentences = np.array(words, dtype=bool), np.array(sentences, dtype=bool)
    words[:1] = sentences[:1] = True
    return tokens, words, sentences


@settings(max_examples=300, deadline=None)
@given(texts, noises, st.integers(0, 2**32), st.integers(0, 20))
def test_any_text_any_option(text, noise, seed, room):
    tokens, words, sentences = arrays(text)
    before = [array.copy() for array in (tokens, words, sentences)]
    limit = len(tokens) + room
    result = add_noise(tokens, words, sentences, noise, IDS, limit, np.random.default_rng(seed))
    assert len(result) <= min(limit, int(noise.longest(np.asarray(len(tokens)))))
    assert ((result == MASK) | ((result >= FIRST) & (result < END))).all()
    if noise.mask_random == 0:  # remaining tokens come from the text: none is duplicated or invented
        left, had = (np.bincount(a, minlength=MASK + 1)[:MASK] for a in (result, tokens))
        assert (left <= had).all()
    for array, old in zip((tokens, words, sentences), before, strict=True):
        assert np.array_equal(array, old)  # the text is not changed in place, because it is also the target
    again = add_noise(tokens, words, sentences, noise, IDS, limit, np.random.default_rng(seed))
    assert np.array_equal(result, again)


@settings(max_examples=50, deadline=None)
@given(texts, st.integers(0, 2**32), st.sampled_from(list(MaskLength)))
def test_no_noise_is_the_identity(text, seed, mask_length):
    tokens, words, sentences = arrays(text)
    noise = Noise(mask=0, mask_length=mask_length, permute_sentences=0)
    rng = np.random.default_rng(seed)
    assert np.array_equal(add_noise(tokens, words, sentences, noise, IDS, len(tokens), rng), tokens)


@settings(max_examples=100, deadline=None)
@given(texts, st.integers(0, 2**32), shares)
def test_permutation_keeps_the_sentences(text, seed, share):
    tokens, words, sentences = arrays(text)
    noise = Noise(mask=0, permute_sentences=share)
    result = add_noise(tokens, words, sentences, noise, IDS, len(tokens), np.random.default_rng(seed))
    parts = sorted(map(tuple, np.split(tokens, np.flatnonzero(sentences)[1:]))) if len(tokens) else []
    order = permute_sentences(sentences, share, np.random.default_rng(seed)) if len(tokens) else np.zeros(0, int)
    assert np.array_equal(tokens[order], result)
    moved = sorted(map(tuple, np.split(result, np.flatnonzero(sentences[order])[1:]))) if len(tokens) else []
    assert moved == parts


def test_permutation_moves_a_share_of_the_sentences():
    starts = np.zeros(100, dtype=bool)
    starts[::10] = True
    for share, most in ((0.0, 0), (0.3, 3), (1.0, 10)):
        moved = [
            (permute_sentences(starts, share, np.random.default_rng(s))[::10] != np.arange(0, 100, 10)).sum()
            for s in range(50)
        ]
        assert max(moved) <= most and (share == 0 or max(moved) > 1)


def test_the_global_random_state_has_no_effect():
    tokens, words = np.arange(10, 60), np.ones(50, dtype=bool)
    results = []
    for seed in (1, 2):
        np.random.seed(seed)
        results.append(add_noise(tokens, words, words, Noise(), IDS, 50, np.random.default_rng(5)))
    assert np.array_equal(*results)


@pytest.mark.parametrize("name", ["mask", "mask_random", "insert", "rotate", "permute_sentences"])
@pytest.mark.parametrize("share", [-0.1, 1.5])
def test_shares_out_of_range_are_named(name, share):
    with pytest.raises(InputError, match=f"^--{name.replace('_', '-')} {share}: give a share from 0 to 1"):
        Noise(**{name: share})


def test_other_bad_options_are_named():
    with pytest.raises(InputError, match=r"^--replace-length 2: choose"):
        Noise(replace_length=2)
    with pytest.raises(InputError, match=r"^--poisson-lambda 0: give a mean"):
        Noise(poisson_lambda=0)


def test_defaults_are_the_papers():
    assert Noise() == Noise(0.35, SPAN_POISSON, 3.5, 1, 0.0, 0.0, 0.0, 1.0)
