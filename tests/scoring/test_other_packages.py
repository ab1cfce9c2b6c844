"""Scores equal those of rouge-chinese and rouge-mongolian where the definitions agree.

Given our tokens, their ROUGE-L and their ROUGE-N with ``exclusive=False`` give the same numbers, except for the 1e-8 in
the denominator of their F1. Three differences are intended: they compare everything between spaces (including
punctuation and upper case), their ROUGE-N counts a repeated n-gram once by default, and they raise an error for an
empty text.
"""

from importlib import import_module
from pathlib import Path

import pytest

from swcm_fairseq.scoring.rouge import Rouge, RougeType
from swcm_fairseq.scoring.tokenizers import build_tokenizer

CASES = [
    ("rouge_chinese", "zh", "今天天气很好，我们去公园。", "今天我们去了公园，公园很好。"),
    ("rouge_chinese", "zh", "用 iPhone15 拍照，花了 3.14 万", "iPhone15 花了 3.14 万"),
    ("rouge_chinese", "zh", "北京北京北京", "北京上海"),
    ("rouge_mongolian", "mn", "ᠮᠣᠩᠭᠣᠯ ᠬᠡᠯᠡ ᠪᠢᠴᠢᠭ᠃ ᠮᠣᠩᠭᠣᠯ ᠤᠯᠤᠰ", "ᠮᠣᠩᠭᠣᠯ ᠤᠯᠤᠰ ᠪᠢᠴᠢᠭ᠃"),
    ("rouge_mongolian", "mn", "Монгол хэл бичиг, монгол улс", "монгол улс бичиг хэл"),
]
NAMES = {RougeType.ROUGE_L: "rouge-l", RougeType.ROUGE_1: "rouge-1", RougeType.ROUGE_2: "rouge-2"}


@pytest.mark.parametrize("rouge_type", RougeType)
@pytest.mark.parametrize("package,language,reference,hypothesis", CASES)
def test_equal_on_our_tokens(package, language, reference, hypothesis, rouge_type):
    pytest.importorskip(package, reason=f"{package} is not installed")
    tokenizer = build_tokenizer(language)
    theirs = import_module(package).Rouge(exclusive=False)
    tokens = [" ".join(tokenizer.tokenize(text)) for text in (hypothesis, reference)]
    (expected,) = theirs.get_scores(*tokens)
    metric = Rouge(rouge_type, language, tokenizer)
    ((_, fmeasure, precision, recall),) = metric._extract_corpus_statistics([hypothesis], [[reference]])
    scores = expected[NAMES[rouge_type]]
    assert (precision, recall) == pytest.approx((scores["p"], scores["r"]))
    assert fmeasure == pytest.approx(scores["f"], abs=1e-7)


def test_default_ngrams_of_rouge_chinese_are_sets():
    rouge_chinese = pytest.importorskip("rouge_chinese")
    (theirs,) = rouge_chinese.Rouge().get_scores("北 京 上 海", "北 京 北 京 北 京")
    metric = Rouge(RougeType.ROUGE_1, "zh", build_tokenizer("zh"))
    ((_, _, _, recall),) = metric._extract_corpus_statistics(["北京上海"], [["北京北京北京"]])
    assert theirs["rouge-1"]["r"] == 1.0
    assert recall == pytest.approx(2 / 6)


def test_botok_words(tmp_path):
    pytest.importorskip("botok")
    from swcm_fairseq.scoring.tokenizers.tibetan_words import TibetanWords

    pack = word_list(tmp_path / "tiny")
    tokenizer = TibetanWords(pack)
    text = "བཀྲ་ཤིས་བདེ་ལེགས། ABC 第 3.14 ཁྱེད་<unk>"
    assert tokenizer.tokenize(text) == ["བཀྲ་ཤིས", "བདེ་ལེགས", "abc", "第", "3.14", "ཁྱེད", "<unk>"]
    assert tokenizer.tokenize(" ") == []
    assert TibetanWords(pack).name == tokenizer.name
    (pack / "dictionary" / "words" / "more.tsv").write_text("རྒྱལ་པོ\t\t\t\t\n", encoding="utf-8")
    assert TibetanWords(pack).name != tokenizer.name


def word_list(pack: Path) -> Path:
    """Write a botok dialect pack with two words."""
    for folder in ("dictionary/words", "dictionary/words_non_inflected", "dictionary/rules", "adjustments/rules"):
        (pack / folder).mkdir(parents=True)
    words = "བཀྲ་ཤིས\tNOUN\t\t\t\nབདེ་ལེགས\tNOUN\t\t\t\n"
    (pack / "dictionary" / "words" / "words.tsv").write_text(words, encoding="utf-8")
    header = "# form\tpos\tlemma\tsense\tfreq\n"
    (pack / "dictionary" / "words_non_inflected" / "particles.tsv").write_text(header, encoding="utf-8")
    return pack
