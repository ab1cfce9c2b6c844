"""IBM model 1, compared with a direct implementation of Brown et al. (1993), and on texts with known translations."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocess.vocabulary import word_alignment
from preprocess.vocabulary.bitext import EncodedBitext
from preprocess.vocabulary.word_alignment import align

NULL = -1


def plain_model_1(of, given_side, iterations):
    """t(f|e), computed token by token with a null word in every sentence, from equal start values."""
    table = defaultdict(lambda: 1.0)
    for _ in range(iterations):
        counts, totals = defaultdict(float), defaultdict(float)
        for f_sentence, e_sentence in zip(of, given_side, strict=True):
            for f in f_sentence:
                whole = sum(table[f, e] for e in [*e_sentence, NULL])
                for e in [*e_sentence, NULL]:
                    counts[f, e] += table[f, e] / whole
                    totals[e] += table[f, e] / whole
        table = {(f, e): count / totals[e] for (f, e), count in counts.items()}
    return table


def plain_posteriors(of, given_side, iterations):
    """For each sentence, (f, e) -> probability that a token f comes from a token e."""
    table = plain_model_1(of, given_side, iterations)
    return [
        {(f, e): table[f, e] / sum(table[f, other] for other in [*es, NULL]) for f in fs for e in es}
        for fs, es in zip(of, given_side, strict=True)
    ]


def plain_links(new, known):
    links = defaultdict(float)
    forward = plain_posteriors(new, known, word_alignment.ITERATIONS)
    backward = plain_posteriors(known, new, word_alignment.ITERATIONS)
    for n, k, one, other in zip(new, known, forward, backward, strict=True):
        for f in n:
            for e in k:
                links[f, e] += one[f, e] * other[e, f]
    return links


sentences = st.lists(st.integers(0, 5), min_size=1, max_size=5)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(sentences, sentences), min_size=1, max_size=6))
def test_equals_the_plain_model(pairs):
    new, known = [pair[0] for pair in pairs], [pair[1] for pair in pairs]
    links = align(EncodedBitext([np.array(k) for k in known], [np.array(n) for n in new]), 6, seed=1)
    found = dict(zip(zip(links.new.tolist(), links.known.tolist(), strict=True), links.count, strict=True))
    expected = plain_links(new, known)
    assert found.keys() == expected.keys()
    assert all(found[key] == pytest.approx(count, rel=1e-6, abs=1e-9) for key, count in expected.items())


def test_finds_the_translations_of_a_shuffled_language():
    """Every word has one translation; the word order of sentences differs."""
    generator = np.random.default_rng(0)
    known = [generator.integers(0, 40, generator.integers(2, 9)) for _ in range(400)]
    translation = generator.permutation(40)
    new = [40 + generator.permutation(translation[sentence]) for sentence in known]
    links = align(EncodedBitext(known, new), 80, seed=1)
    best = {}
    for n, k, count in zip(links.new, links.known, links.count, strict=True):
        best[k] = max(best.get(k, (0, 0)), (count, n))
    assert [best[k][1] for k in range(40)] == (40 + translation).tolist()


def test_sentences_without_pieces():
    text = EncodedBitext([np.array([1]), np.array([], dtype=np.int32)], [np.array([], dtype=np.int32), np.array([0])])
    assert len(align(text, 2, seed=1).count) == 0
