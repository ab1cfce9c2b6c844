"""Intervals and p-values, compared with sacreBLEU and with exact enumeration."""

from itertools import product

import pytest
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.significance import PairedTest

from swcm_fairseq.scoring.rouge import Rouge, RougeType
from swcm_fairseq.scoring.significance import approximate_randomization, score_with_interval
from swcm_fairseq.scoring.tokenizers import build_tokenizer

REFERENCES = [f"the cat number {n} sat on the mat near door {n % 7}" for n in range(60)]
GOOD = [line.replace("mat", "rug") if n % 3 else line for n, line in enumerate(REFERENCES)]
WORSE = [line.replace("cat", "dog") if n % 2 else line.replace("mat", "rug") for n, line in enumerate(REFERENCES)]
BAD = [" ".join(line.split()[::-1]) for line in REFERENCES]


def rouge_l():
    return Rouge(RougeType.ROUGE_L, "en", build_tokenizer("en"))


def statistics(metric, hypotheses, references=REFERENCES):
    return metric._extract_corpus_statistics(hypotheses, [references])


@pytest.mark.parametrize("metric", [BLEU(), CHRF(word_order=2)], ids=["bleu", "chrf"])
def test_interval_is_sacrebleus(metric):
    expected = metric.corpus_score(WORSE, [REFERENCES], n_bootstrap=200)
    signature = str(metric.get_signature())
    score = score_with_interval(metric, statistics(metric, WORSE), 200)
    assert score.score == pytest.approx(expected.score)
    assert score._ci == pytest.approx(expected._ci, abs=1e-3)  # sacreBLEU sums in single precision
    assert str(metric.get_signature()) == signature


def test_interval_of_rouge_does_not_depend_on_the_order():
    metric = rouge_l()
    stats = statistics(metric, WORSE)
    expected = metric.corpus_score(WORSE, [REFERENCES], n_bootstrap=500)
    score, mirrored = (score_with_interval(metric, rows, 500) for rows in (stats, stats[::-1]))
    assert score.intervals == mirrored.intervals
    assert score._ci == pytest.approx(expected._ci, rel=0.15)  # the resamples differ from sacreBLEU's


def test_interval_where_some_resamples_score_zero():
    references, hypotheses = ["a b c d e"] * 20, ["x y"] * 19 + ["a b c d e"]
    metric = BLEU()
    assert score_with_interval(metric, statistics(metric, hypotheses, references), 100)._ci > 0


@pytest.mark.parametrize("system", [WORSE, BAD], ids=["worse", "bad"])
def test_p_value_is_near_sacrebleus(system):
    metric = BLEU()
    _, scores = PairedTest([("good", GOOD), ("other", system)], {"BLEU": metric}, [REFERENCES], "ar", 2000)()
    p_value = approximate_randomization(metric, statistics(metric, GOOD), statistics(metric, system), 2000)
    assert p_value == pytest.approx(scores["BLEU"][1].p_value, abs=0.03)


def test_p_value_of_few_segments_is_the_exact_one():
    metric = rouge_l()
    one, other = statistics(metric, BAD[:4]), statistics(metric, REFERENCES[:4], REFERENCES[:4])
    differences = [b[1] - a[1] for a, b in zip(one, other, strict=True)]
    real = abs(sum(differences))
    outcomes = [
        abs(sum(sign * d for sign, d in zip(signs, differences, strict=True))) for signs in product((1, -1), repeat=4)
    ]
    exact = sum(outcome >= real - 1e-9 for outcome in outcomes) / len(outcomes)
    assert exact == 2 / 16
    assert approximate_randomization(metric, one, other, 4000) == pytest.approx(exact, abs=0.02)


def test_equal_outputs_are_not_different():
    metric = rouge_l()
    assert approximate_randomization(metric, statistics(metric, GOOD), statistics(metric, GOOD), 300) == 1.0


def test_clear_differences_are_significant():
    metric = rouge_l()
    p_value = approximate_randomization(metric, statistics(metric, GOOD), statistics(metric, BAD), 999)
    assert p_value == pytest.approx(1 / 1000)
