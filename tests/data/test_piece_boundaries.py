"""Words and sentence ends, by script."""

import numpy as np
import pytest
from fairseq.data import Dictionary

from preprocess.sentences import SentenceSplitter
from swcm_fairseq.data.languages import CLOSERS, WordUnit
from swcm_fairseq.data.piece_boundaries import PieceTable


def starts(lang: str, pieces: str, what: str, unit: WordUnit | None = None) -> list[int]:
    """Positions at which words (or sentences) begin; ``pieces`` are separated by single spaces."""
    dictionary = Dictionary()
    for piece in ["▁other", *pieces.split(" ")]:
        dictionary.add_symbol(piece)
    tokens = np.array([dictionary.index(piece) for piece in pieces.split(" ")])
    table = PieceTable.build(dictionary, lang, unit)
    return np.flatnonzero(table.word_starts(tokens) if what == "words" else table.sentence_starts(tokens)).tolist()


@pytest.mark.parametrize(
    ("lang", "pieces", "expected"),
    [
        ("ug", "▁بۇ ▁كى تاب ▁ياخشى", [0, 1, 3]),
        ("kk", "▁бұл ▁жақсы ▁кі тап .", [0, 1, 2]),
        ("mn", "ᠮᠣᠩ ▁ᠭᠣᠯ", [0, 1]),
        ("zh", "▁ 我 喜欢 你", [0, 1, 2, 3]),
        ("bo", "▁བོད་ ཡིག་ ▁ ཡི གེ །", [0, 1, 2]),
        ("bo", "▁བ ོ ད་ ཡིག ། ▁ ཡི", [0, 3, 5]),
        ("bo", "▁བཀྲ་ཤིས་ བདེ་ ལེགས", [0, 1, 2]),
        ("za", "▁a b ▁c", [0, 2]),
    ],
)
def test_words(lang, pieces, expected):
    assert starts(lang, pieces, "words") == expected


def test_word_unit_can_be_chosen():
    assert starts("bo", "▁བོད་ ཡིག་", "words", WordUnit.SPACE) == [0]
    assert starts("bo", "▁བ ོ ད་", "words", WordUnit.PIECE) == [0, 1, 2]


def test_a_dictionary_of_whole_words_has_no_marks():
    dictionary = Dictionary()
    for word in ("one", "two"):
        dictionary.add_symbol(word)
    assert PieceTable.build(dictionary, "kk").word_starts(np.array([4, 5, 4])).all()


@pytest.mark.parametrize(
    ("lang", "pieces", "expected"),
    [
        ("zh", "▁ 你好 。 我 很 好 ！ ” 他 说", [0, 3, 8]),
        ("zh", "你 …… 我 ？ ！ 他", [0, 2, 5]),
        ("bo", "▁བོད་ ཡིག ། ▁ ཡི་ གེ ། ▁། ▁ད", [0, 3, 8]),
        ("bo", "▁ཀ །། ▁ཁ", [0, 2]),
        ("ug", "▁بۇ ▁نېمە ؟ ▁ياخشى . ▁ئۇ", [0, 3, 5]),
        ("kk", "▁бұл ▁3 . 14 ▁деді . ▁ол", [0, 6]),
        ("kk", '▁ол ▁кетті ! » ▁ол " ▁бар', [0, 4]),
        ("mn", "ᠮᠣᠩ ᠃ ▁ᠭᠣᠯ ▁а . ▁б", [0, 2, 5]),
        ("zh", "no end at all", [0]),
        ("zh", "。 。 。", [0]),
    ],
)
def test_sentences(lang, pieces, expected):
    assert starts(lang, pieces, "sentences") == expected


def test_empty_text():
    table = PieceTable.build(Dictionary(), "bo")
    for found in (table.word_starts, table.sentence_starts):
        assert found(np.zeros(0, dtype=np.int64)).tolist() == []


@pytest.mark.parametrize("closer", CLOSERS)
def test_closing_signs_belong_to_the_sentence_before(closer):
    assert starts("zh", f"你 。 {closer} 他", "sentences") == [0, 3]
    assert SentenceSplitter("zh").split(f"你。{closer}他") == [f"你。{closer}", "他"]
