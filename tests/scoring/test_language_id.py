"""Script and language identification on examples and on sentences of the data pack."""

import pytest

from swcm_fairseq.errors import InputError
from swcm_fairseq.scoring import language_id
from swcm_fairseq.scoring.language_id import expected_scripts, identify, language_accuracy, main_script

needs_identifier = pytest.mark.skipif(not language_id.has_identifier(), reason="pycld2 is not installed")

# text -> script, language
TABLE = {
    "བོད་ཡིག་གི་ཡི་གེ": ("Tibetan", "bo"),
    "今天天气很好": ("Han", "zh"),
    "使用": ("Han", "zh"),
    "ひらがなです": ("Hiragana", "ja"),
    "使用 LibreOffice 打开文件": ("Han", "zh"),
    "これは日本語の文章です": ("Han", "ja"),
    "ᠮᠣᠩᠭᠣᠯ ᠬᠡᠯᠡ": ("Mongolian", "mn"),
    "Монгол улсын нийслэл хот бол Улаанбаатар юм": ("Cyrillic", "mn"),
    "Қазақстан Республикасының астанасы қай қала": ("Cyrillic", "kk"),
    "Это предложение написано на русском языке": ("Cyrillic", "ru"),
    "بۇ جۈملە ئۇيغۇر تىلىدا يېزىلغان": ("Arabic", "ug"),
    "قازاقستان رەسپۋبليكاسىنىڭ استاناسى قاي قالا": ("Arabic", "kk"),
    "This sentence is written in English": ("Latin", "en"),
    "12 34 ...": ("none", "none"),
    "": ("none", "none"),
}


@needs_identifier
@pytest.mark.parametrize("text,script,language", [(text, *row) for text, row in TABLE.items()])
def test_table(text, script, language):
    assert main_script(text) == script
    assert identify(text) == language


@needs_identifier
def test_accuracy_counts_every_segment():
    accuracy = language_accuracy(["བོད་ཡིག", "藏文", "", "བོད་སྐད་ABC"], "bo")
    assert accuracy.script == accuracy.language == 50.0
    assert accuracy.languages == {"bo": 2, "zh": 1, "none": 1}
    assert accuracy.scripts == {"Tibetan": 2, "Han": 1, "none": 1}


def test_scripts_of_languages():
    assert expected_scripts("kk") == ("Cyrillic", "Arabic")
    assert expected_scripts("kk_arab") == expected_scripts("kk-Arab") == ("Arabic",)
    assert expected_scripts("zh_CN") == ("Han",)
    assert expected_scripts("xx") == ()
    assert language_accuracy(["abc"], "xx").script is None


def test_without_the_identifier_the_script_is_still_counted(monkeypatch):
    monkeypatch.setattr(language_id, "has_identifier", lambda: False)
    accuracy = language_accuracy(["བོད་ཡིག", "藏文"], "bo")
    assert (accuracy.script, accuracy.language, accuracy.languages) == (50.0, None, {})


def test_nothing_to_identify():
    with pytest.raises(InputError, match="no segments"):
        language_accuracy([], "bo")


@needs_identifier
@pytest.mark.parametrize("code", ["bo", "kk", "mn", "ug", "zh"])
def test_real_sentences(sample_data, code):
    """All sentences of at least 20 characters in the committed text."""
    accuracy = language_accuracy(sentences(sample_data, code), code)
    assert accuracy.script == accuracy.language == 100


@needs_identifier
@pytest.mark.parametrize("code", ["bo", "kk", "mn", "ug", "zh"])
def test_real_sentences_of_the_larger_collection(datapack, code):
    """Includes formulas and commands; docs/evaluation.md lists the confusions."""
    accuracy = language_accuracy(sentences(datapack / "libreoffice", code), code)
    assert accuracy.script >= 99.5
    assert accuracy.language >= 98.8


def sentences(folder, code):
    lines = [line for path in folder.glob(f"mono.{code}.*.txt") for line in path.read_text("utf-8").splitlines()]
    assert lines, f"no text in {folder}"
    return [line for line in lines if len(line) >= 20]
