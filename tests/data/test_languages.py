from dataclasses import replace

import pytest

from swcm_fairseq.data.languages import DEFAULT_LANGS, LANGUAGES, WordUnit, language, language_token
from swcm_fairseq.errors import InputError


def test_the_papers_five_languages_are_in_its_order():
    assert DEFAULT_LANGS == ("bo", "kk", "mn", "ug", "zh")


@pytest.mark.parametrize(
    ("code", "unit", "end"),
    [
        ("bo", WordUnit.TSHEG, "།"),
        ("zh", WordUnit.PIECE, "。"),
        ("ug", WordUnit.SPACE, "؟"),
        ("kk", WordUnit.SPACE, "؟"),
        ("mn", WordUnit.SPACE, "᠃"),
    ],
)
def test_words_and_sentence_ends(code, unit, end):
    assert language(code).word_unit is unit
    assert end in language(code).sentence_ends


@pytest.mark.parametrize(
    ("code", "scripts"),
    [("kk_arab", ("Arabic",)), ("kk-Cyrl", ("Cyrillic",)), ("mn_mong", ("Mongolian",)), ("za_latn", ("Latin",))],
)
def test_a_script_in_the_code_is_the_only_one(code, scripts):
    assert language(code).scripts == scripts


def test_the_rest_is_that_of_the_plain_code():
    assert replace(language("kk_arab"), scripts=LANGUAGES["kk"].scripts) == LANGUAGES["kk"]
    assert language("zh_CN") is LANGUAGES["zh"]


def test_an_unlisted_language_gets_the_general_row():
    row = language("za")
    assert (row.code, row.word_unit) == ("za", WordUnit.SPACE)
    assert "." in row.sentence_ends


@pytest.mark.parametrize("code", ["", "B O", "<bo>", "b", "chinese", "zh_", "../x"])
def test_invalid_codes_are_refused(code):
    with pytest.raises(InputError, match="not a language code"):
        language_token(code)
