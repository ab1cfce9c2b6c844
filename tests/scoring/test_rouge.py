"""Tables of (reference, hypothesis, expected P, R, F) and the corpus score."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.scoring import BootstrapAggregator

from swcm_fairseq.scoring.rouge import Rouge, RougeType
from swcm_fairseq.scoring.tokenizers import build_tokenizer, known_languages

L, R1, R2 = RougeType.ROUGE_L, RougeType.ROUGE_1, RougeType.ROUGE_2


def segment(language, rouge_type, reference, hypothesis):
    """F1, precision and recall of one segment, 0 to 1."""
    metric = Rouge(rouge_type, language, build_tokenizer(language))
    ((_, *scores),) = metric._extract_corpus_statistics([hypothesis], [[reference]])
    return scores


# language, variant, reference, hypothesis, precision, recall, F1
TABLE = [
    ("bo", L, "བོད་ཡིག་གི་ཡི་གེ།", "བོད་ཀྱི་ཡི་གེ", 3 / 4, 3 / 5, 2 / 3),
    ("bo", R1, "བོད་ཡིག་གི་ཡི་གེ།", "གེ་ཡི་བོད", 1, 3 / 5, 3 / 4),
    ("bo", R2, "བོད་ཡིག་གི་ཡི་གེ།", "བོད་ཡིག་ཡི་གེ", 2 / 3, 2 / 4, 4 / 7),
    ("bo", L, "བོད་ཡིག", "藏文", 0, 0, 0),
    ("zh", L, "今天天气很好", "今天很好。", 1, 4 / 6, 4 / 5),
    ("zh", R2, "用iPhone15拍照", "用 iPhone15 拍", 1, 2 / 3, 4 / 5),
    ("ug", L, "مەن ئۇيغۇر تىلى ئۆگىنىمەن", "مەن تىلى", 1, 1 / 2, 2 / 3),
    ("kk", L, "Мен қазақ тілін оқимын", "мен тілін қазақ", 2 / 3, 1 / 2, 4 / 7),
    ("kk", L, "مەن قازاق ٴتىلىن", "مەن قازاق", 1, 2 / 3, 4 / 5),
    ("mn", L, "Монгол хэл сурна", "монгол сурна", 1, 2 / 3, 4 / 5),
    ("mn", L, "ᠮᠣᠩᠭᠣᠯ ᠬᠡᠯᠡ᠃", "ᠮᠣᠩᠭᠣᠯ ᠤᠯᠤᠰ", 1 / 2, 1 / 2, 1 / 2),
    ("en", L, "the cat sat", "the sat", 1, 2 / 3, 4 / 5),
]

SCRIPTS = [
    ("bo", "བོད་ཡིག་གི་ཡི་གེ།", "དཔེ་ཆ།"),
    ("zh", "今天天气很好。", "北京大学"),
    ("ug", "ئۇيغۇر تىلى", "كىتاب ياخشى"),
    ("kk", "Қазақ тілі", "кітап жақсы"),
    ("kk", "قازاق ٴتىلى", "كىتاپ جاقسى"),
    ("mn", "Монгол хэл", "сайн ном"),
    ("mn", "ᠮᠣᠩᠭᠣᠯ ᠬᠡᠯᠡ", "ᠰᠠᠶᠢᠨ ᠨᠣᠮ"),
    ("en", "the cat", "my dog"),
]


@pytest.mark.parametrize("language,rouge_type,reference,hypothesis,precision,recall,fmeasure", TABLE)
def test_table(language, rouge_type, reference, hypothesis, precision, recall, fmeasure):
    assert segment(language, rouge_type, reference, hypothesis) == pytest.approx([fmeasure, precision, recall])


@pytest.mark.parametrize("rouge_type", RougeType)
@pytest.mark.parametrize("language,text,other", SCRIPTS)
def test_identical_one_disjoint_and_empty_zero(language, text, other, rouge_type):
    assert segment(language, rouge_type, text, text) == [1.0, 1.0, 1.0]
    assert segment(language, rouge_type, text, other) == [0.0, 0.0, 0.0]
    assert segment(language, rouge_type, text, "") == [0.0, 0.0, 0.0]
    assert segment(language, rouge_type, "", text) == [0.0, 0.0, 0.0]
    assert segment(language, rouge_type, "", "") == [0.0, 0.0, 0.0]


@settings(max_examples=60)
@given(st.sampled_from(list(RougeType)), st.text("abc ABC.,12", max_size=30), st.text("abc ABC.,12", max_size=30))
def test_latin_equals_stock_rouge_score(rouge_type, reference, hypothesis):
    stock = RougeScorer([rouge_type.value]).score(reference, hypothesis)[rouge_type.value]
    assert segment("en", rouge_type, reference, hypothesis) == [stock.fmeasure, stock.precision, stock.recall]


def test_the_corpus_score_is_the_mean_of_rouge_scores_aggregator():
    references, hypotheses = ["a b c", "d e", "f"], ["a c", "d x y", ""]
    aggregator = BootstrapAggregator()
    for reference, hypothesis in zip(references, hypotheses, strict=True):
        aggregator.add_scores(RougeScorer(["rougeL"]).score(reference, hypothesis))
    middle = aggregator.aggregate()["rougeL"].mid
    # rouge-score reports the median of resampled means, which is close to the mean but not equal
    score = Rouge(L, "en", build_tokenizer("en")).corpus_score(hypotheses, [references])
    assert score.score == pytest.approx(100 * (0.8 + 0.4 + 0) / 3)
    assert score.score == pytest.approx(100 * middle.fmeasure, abs=5)


def test_best_of_several_references():
    metric = Rouge(L, "en", build_tokenizer("en"))
    assert metric.corpus_score(["a b"], [["x y"], ["a b"]]).score == 100
    assert "nrefs:2" in str(metric.get_signature())


def test_interval_and_signature():
    metric = Rouge(L, "bo", build_tokenizer("bo"))
    references = ["བོད་ཡིག", "དཔེ་ཆ", "ཡི་གེ", "ཚིག"] * 5
    hypotheses = ["བོད་ཡིག", "དཔེ", "ཀ", "ཚིག"] * 5
    assert str(metric.get_signature()).startswith("rougeL|lang:bo|tok:bo-syllable|case:lc|norm:nfkc|agg:mean|v:")
    score = metric.corpus_score(hypotheses, [references], n_bootstrap=200)
    assert 0 < score.intervals["score"] < 50
    assert score.intervals == metric.corpus_score(hypotheses, [references], n_bootstrap=200).intervals  # seeded
    assert "|bs:200|rs:12345|" in str(metric.get_signature())


MIXED = st.text("བོད་ཡིག །ཀ今天气，汉ئۇيغۇر،қазақ ᠮᠣᠩᠭᠣᠯ\u180e\u202fab 12.,-", max_size=40)


@settings(max_examples=80)
@given(st.sampled_from(known_languages()), st.sampled_from(list(RougeType)), MIXED, MIXED)
def test_swapping_sides_swaps_precision_and_recall(language, rouge_type, one, other):
    fmeasure, precision, recall = segment(language, rouge_type, one, other)
    assert segment(language, rouge_type, other, one) == pytest.approx([fmeasure, recall, precision])
    assert 0 <= min(precision, recall) <= fmeasure <= max(precision, recall) <= 1
