"""Sentence ends by script; parts keep every character except spaces."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from preprocess import sentences
from preprocess.sentences import SentenceSplitter, pack
from swcm_fairseq.errors import InputError
from tests.preprocess.conftest import write_lines

SPLITTERS = {lang: SentenceSplitter(lang) for lang in ("bo", "zh", "ug", "kk", "mn", "xx")}


@pytest.mark.parametrize(
    ("lang", "text", "expected"),
    [
        ("bo", "ཀ་ཁ། །ག་ང༎ ཅ་ཆ།", ["ཀ་ཁ། །", "ག་ང༎", "ཅ་ཆ།"]),
        ("bo", "། ཀ་ཁ།ག", ["། ཀ་ཁ།", "ག"]),
        ("zh", "你好。他说：“走吧！”然后走了。版本3.5", ["你好。", "他说：“走吧！”", "然后走了。", "版本3.5"]),
        ("zh", "什么？！好……", ["什么？！", "好……"]),
        ("ug", "سالام؟ ياخشى. 3.14 بولدى۔ ", ["سالام؟", "ياخشى.", "3.14 بولدى۔"]),
        (
            "kk",
            "А. Б. Құнанбайұлы келді. Ол т.б. айтты! Жоқ...",
            ["А. Б. Құнанбайұлы келді.", "Ол т.б. айтты!", "Жоқ..."],
        ),
        ("kk", "«Келдім.» Кетті.", ["«Келдім.»", "Кетті."]),
        ("mn", "ᠮᠣᠩᠭᠣᠯ᠃ ᠪᠢᠴᠢᠭ᠉ ᠦᠰᠦᠭ", ["ᠮᠣᠩᠭᠣᠯ᠃", "ᠪᠢᠴᠢᠭ᠉", "ᠦᠰᠦᠭ"]),
        ("mn", "Сайн уу? Тийм.", ["Сайн уу?", "Тийм."]),
        ("zh", "  ", []),
        ("zh", "。", ["。"]),
    ],
)
def test_sentences(lang, text, expected):
    assert SPLITTERS[lang].split(text) == expected


TEXTS = st.text(alphabet=st.one_of(st.characters(), st.sampled_from("།༎ ་。！？!?.…”）۔؟᠃аБ")), max_size=60)


@given(st.sampled_from(sorted(SPLITTERS)), TEXTS, st.integers(1, 20))
def test_no_character_but_spaces_is_lost(lang, text, max_chars):
    found = SPLITTERS[lang].split(text)
    assert "".join("".join(found).split()) == "".join(text.split())
    parts = list(pack(found, max_chars))
    assert "".join("".join(parts).split()) == "".join(text.split())
    assert all(part and len(part) <= max_chars for part in parts)


def test_pack_fills_parts_with_whole_sentences():
    assert list(pack(["aaa.", "bb.", "c."], 8)) == ["aaa. bb.", "c."]
    assert list(pack(["aaa aaa aaa.", "b."], 8)) == ["aaa aaa", "aaa. b."]


def test_command(tmp_path, capsys):
    documents = write_lines(tmp_path / "documents", ["一。二！三", "", "四？"])
    output, rejects = tmp_path / "out", tmp_path / "rejects"
    arguments = f"--lang zh --input {documents} --output {output} --rejects {rejects}".split()
    sentences.main(arguments)
    assert output.read_text(encoding="utf-8").split() == ["一。", "二！", "三", "四？"]
    assert rejects.read_text() == f"{documents}:2:blank\n"
    sentences.main([*arguments, "--part-chars", "5", "--workers", "2"])
    assert output.read_text(encoding="utf-8") == "一。 二！\n三\n四？\n"
    assert "documents" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("--lang zh --input {text} --output {text}", "would overwrite its own input"),
        ("--lang zh --input {text} --output {out} --part-chars 0", "^--part-chars 0: must be at least 1"),
        ("--lang Chinese --input {text} --output {out}", "not a language code"),
        ("--lang zh --input /no/such --output {out}", "No such file"),
    ],
)
def test_bad_input_is_refused(tmp_path, args, message):
    text = write_lines(tmp_path / "text", ["一。"])
    with pytest.raises(InputError, match=message):
        sentences.main(args.format(text=text, out=tmp_path / "out").split())
    assert not list(tmp_path.glob("out*"))
