"""Each cleaning step by itself, and the command on broken input: everything is counted."""

import unicodedata
from pathlib import Path

import pytest
import regex
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preprocess import clean
from preprocess.text.duplicates import folded
from preprocess.text.filters import FILTERS, LineFilters
from preprocess.text.normalize import TRANSFORMS, controls, invisible, spaces, unicode_form
from swcm_fairseq.errors import InputError
from tests.preprocess.conftest import write_lines

DIRTY = Path(__file__).parent / "dirty"


@pytest.fixture
def run(tmp_path):
    """Clean files; return the lines of each output, and the rejects as {line: reason}."""

    def run_clean(lang, *files, args=()):
        output = [tmp_path / f"out{i}" for i in range(len(files))]
        arguments = ["--lang", lang, "--input", *files, "--output", *output, "--rejects", tmp_path / "rejects", *args]
        clean.main(list(map(str, arguments)))
        lines = [path.read_text(encoding="utf-8").split("\n")[:-1] for path in output]
        rejects = (tmp_path / "rejects").read_text(encoding="utf-8").split("\n")[:-1]
        read = Path(files[0]).read_bytes()
        assert read.count(b"\n") + (not read.endswith(b"\n")) == len(lines[0]) + len(rejects)
        return (*lines, {int(line.split(":")[-2]): line.split(":")[-1] for line in rejects})

    return run_clean


def test_presentation_forms_become_letters():
    assert unicode_form("\ufeb3\ufefc") == "\u0633\u0644\u0627"  # seen medial, lam with alef
    assert unicode_form("\u0f79") == unicodedata.normalize("NFKC", "\u0f79") == "\u0fb3\u0f71\u0f80"
    assert unicode_form("й ２ ²") == "й ２ ²"  # composed; width and superscripts are unchanged


def test_controls():
    assert controls("a\tb\u2028c\x85d\x0ce\x00f\x07g\ufffe") == "a b c d efg"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\u202bئۇيغۇر\u202c \u2067x\u200f\u061c", "ئۇيغۇر x"),
        ("بىر\u200bئىككى", "بىر ئىككى"),
        ("中\u200b文 བོད་\u200bཡིག", "中文 བོད་ཡིག"),
        ("مە\u200dن مى\u200cخ", "مە\u200dن مى\u200cخ"),  # joiners shape the letters
        ("a\u200db\u200cc", "abc"),
        ("ᠮᠣᠩᠭᠣᠯ\u180eᠠ ᠬᠡᠯᠡ\u180b ᠪᠢᠴᠢᠭ\u202fᠦᠨ", "ᠮᠣᠩᠭᠣᠯ\u180eᠠ ᠬᠡᠯᠡ\u180b ᠪᠢᠴᠢᠭ\u202fᠦᠨ"),
        ("x\u180e\u180b", "x"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("со\u00adюз\ufeff\u2060", "союз"),
    ],
)
def test_invisible_characters(text, expected):
    assert invisible(text) == expected


def test_spaces():
    assert spaces("\u3000 a\u00a0\u2003 b\u202fc ") == "a b\u202fc"


SIGNS = st.sampled_from(
    "\u200b\u200c\u200d\u180b\u180e\u2067\u00ad\ufeff\ufeb3\u0f79\u0f73 \u202f中བཀaبᠮ👩\u0301\u0f71"
)


def cleaned(text):
    for transform in TRANSFORMS.values():
        text = transform(text)
    return text


@given(st.text(max_size=40))
def test_transforms_are_idempotent(text):
    for transform in TRANSFORMS.values():
        once = transform(text)
        assert transform(once) == once


@given(st.text(alphabet=st.one_of(st.characters(), SIGNS), max_size=20))
def test_all_transforms_together_are_idempotent_and_give_nfc(text):
    once = cleaned(text)
    assert cleaned(once) == once
    assert unicodedata.is_normalized("NFC", once)


@pytest.mark.parametrize(
    ("text", "lang", "reason"),
    [
        ("", "bo", "blank"),
        ("12345 67.8 % --- ///", "ug", "no letters"),
        ("https://example.org/x www.example.org a@example.org", "zh", "boilerplate"),
        ("版权所有 2020", "zh", "boilerplate"),
        ("ཁྱེད་རང་གི་ཡིག་ཆ།", "bo", None),
        ("ཁྱེད་རང་གི་ཡིག་ཆ།", "ug", "another script"),
        ("Тізімі бар өріс", "kk", None),
        ("ٴبىر كەستە", "kk_arab", None),
        ("ᠮᠣᠩᠭᠣᠯ ᠪᠢᠴᠢᠭ", "mn", None),
        ("این یک جملهٔ فارسی است که به اشتباه در پرونده آمده است", "ug", "another language (fa)"),
        ("Это предложение на русском языке попало сюда по ошибке.", "mn", "another language (ru)"),
        ("anything in a language without a row", "xx", None),
    ],
)
def test_filters(text, lang, reason):
    assert LineFilters(tuple(FILTERS), boilerplate=["版权所有"]).reason(text, lang) == reason


@given(st.text(alphabet=" a@.中", min_size=1, max_size=14))
def test_addresses_are_found_anywhere(text):
    rest = regex.sub(r"\S+@\S+\.\S+", "", text)
    expected = "boilerplate" if rest != text and not regex.search(r"\p{L}", rest) else None
    assert LineFilters(("boilerplate",)).reason(text, "zh") == expected


@pytest.mark.parametrize(("part", "reason"), [("བོད", None), ("@", None), ("a@", None), ("@a.@", "boilerplate")])
def test_long_text_without_spaces_is_read_once(part, reason):
    """Rescanning the rest from every character would take an hour, so this test would not end."""
    assert LineFilters(("boilerplate",)).reason("中" + 300_000 * part, "zh") == reason


def test_line_separators(run):
    lines, rejects = run("zh", DIRTY / "line_separators.zh.txt")
    assert (len(lines), rejects) == (7, {})
    assert not any(mark in "".join(lines) for mark in "\u2028\u2029\x85\x0b\x0c")


def test_wrong_languages_are_told_by_script_then_by_the_identifier(run):
    lines, rejects = run("ug", DIRTY / "wrong_language.ug.txt")
    assert rejects == {
        2: "another language (fa)",
        3: "another language (ar)",
        4: "another language (kk)",
        **dict.fromkeys((5, 6, 7, 8, 9, 11), "another script"),
        13: "no letters",
    }
    assert len(lines) == 3


def test_zero_width_and_bidi(run):
    lines, rejects = run("ug", DIRTY / "zero_width_bidi.ug.txt")
    assert (len(lines), rejects) == (9, {})
    assert not any(mark in "".join(lines) for mark in "\u200b\u200e\u200f\u061c\u202a\u202b\u202c\u2066\u2067\u2069")
    assert " " in lines[3]  # its only spaces were zero-width spaces


def test_composed_and_decomposed_lines_become_the_same(run):
    lines, _ = run("kk", DIRTY / "nfc_nfd.mixed.txt", args=("--without", "duplicates", "script", "language"))
    assert lines[::2] == lines[1::2]


def test_duplicates(run):
    lines, rejects = run("kk", DIRTY / "duplicates.kk.txt", args=("--without", "spaces"))
    assert list(rejects.values()) == ["duplicate"] * 52
    assert len(run("kk", DIRTY / "duplicates.kk.txt")[0]) < len(lines)
    assert len(run("kk", DIRTY / "duplicates.kk.txt", args=("--fold",))[0]) < len(lines) - 1


def test_near_duplicates(run, tmp_path):
    text = "Пайдаланушы бұл құжатты сақтағысы келсе, мәзірден тиісті пәрменді таңдауы керек"
    other = "Кестенің бірінші бағанындағы барлық ұяшықтарды белгілеп, оларды біріктіріңіз"
    path = write_lines(tmp_path / "near", [text, other, text + " .", text.replace("керек", "керек!")])
    assert run("kk", path, args=("--near", "0.8", "--without", "duplicates"))[-1] == {
        3: "near duplicate",
        4: "near duplicate",
    }


def test_held_out_lines(run, tmp_path):
    held_out = write_lines(tmp_path / "test", ["ХОББИ туралы Мәтін!", ""])
    path = write_lines(tmp_path / "train", ["хобби туралы мәтін", "басқа мәтін"])
    assert run("kk", path, args=("--held-out", held_out)) == (["басқа мәтін"], {1: "held out"})


def test_pairs_are_left_out_together(run, tmp_path):
    source = write_lines(tmp_path / "zh", ["这是一个句子。", "  ", "这是第二个句子。", "短", "这是一个句子。"])
    target = write_lines(
        tmp_path / "bo", ["འདི་ནི་ཚིག་ཅིག་རེད།", "འདི།", "English only here", "རིང་པོ་" * 40, "འདི་ནི་ཚིག་ཅིག་རེད།"]
    )
    first, second, rejects = run("zh-bo", source, target)
    assert (first, second) == (["这是一个句子。"], ["འདི་ནི་ཚིག་ཅིག་རེད།"])
    assert rejects == {2: "blank", 3: "another script", 4: "length ratio", 5: "duplicate"}
    assert f"{target}:3:another script" in (tmp_path / "rejects").read_text()


def test_invalid_lines(run):
    with pytest.raises(InputError, match=r"invalid_utf8.bo.txt:2: invalid UTF-8"):
        run("bo", DIRTY / "invalid_utf8.bo.txt")
    _, rejects = run("bo", DIRTY / "invalid_utf8.bo.txt", args=("--skip-invalid",))
    assert [line for line, reason in rejects.items() if reason == "invalid encoding"] == [2, 4, 6, 8, 9, 10]


def test_text_with_markup_and_special_tokens_is_kept(run):
    for name, lang in (("markup.zh.txt", "zh"), ("special_tokens.zh-bo.zh", "zh")):
        expected = [spaces(line) for line in (DIRTY / name).read_text(encoding="utf-8").split("\n")[:-1]]
        assert run(lang, DIRTY / name, args=("--without", "script", "language", "letters"))[0] == expected


def test_workers_do_not_change_a_byte(run, sample_data):
    path = sample_data / "mono.bo.train.txt"
    assert run("bo", path) == run("bo", path, args=("--workers", "2"))


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("--lang zh-bo --input {a} --output {out}", "has 2 language"),
        ("--lang bo --input {a} --output {a}", "would overwrite its own input"),
        ("--lang bo --input /no/such --output {out}", "/no/such: no such file"),
        ("--lang Tibetan --input {a} --output {out}", "not a language code"),
        ("--lang bo --input {a} --output {out} --near 2", "--near 2.0: must be between 0 and 1"),
        ("--lang bo --input {a} --output {out} --boilerplate {broken}", r"broken:2: not a regular expression"),
        ("--lang bo --input {a} --output {out} --min-chars 99", r"no lines are left \(too short 1\)"),
        ("--lang zh-bo --input {a} {b} --output {out} {out}2", "b has 2"),
    ],
)
def test_bad_input_is_refused(tmp_path, args, message):
    places = {
        "a": write_lines(tmp_path / "a", ["ཀ"]),
        "b": write_lines(tmp_path / "b", ["ཀ", "ཁ"]),
        "broken": write_lines(tmp_path / "broken", ["ok", "("]),
        "out": tmp_path / "out",
    }
    with pytest.raises(InputError, match=message):
        clean.main(args.format(**places).split())
    assert not list(tmp_path.glob("out*"))


TEXT = st.text(max_size=30).map(lambda text: text.encode("utf-8", "replace"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    lines=st.lists(st.one_of(st.text(max_size=30).map(lambda t: t.encode("utf-8", "replace")), st.binary(max_size=9)))
)
def test_any_bytes_are_kept_or_counted(run, tmp_path, lines):
    path = tmp_path / "any"
    path.write_bytes(b"\n".join(lines) + b"\n")
    try:
        run("kk", path, args=("--skip-invalid", "--near", "0.8", "--without", "script"))
    except InputError as error:
        assert "\n" not in str(error)


def test_folded_text_is_never_empty_for_text():
    assert folded("!?") == "!?"
    assert folded("Ａ b-C ①") == "abc1"


def test_script_of_the_code(run, tmp_path):
    """Cyrillic lines are in another script for kk_arab (Kazakh in Arabic script), but not for kk."""
    lines = ["Пайдаланушы файлды сақтауы керек", "پايدالانۋشى فايلدى ساقتاۋى كەرەك"]
    text = write_lines(tmp_path / "kk", lines)
    kept, rejects = run("kk_arab", text, args=["--without", "language"])
    assert (kept, rejects) == ([lines[1]], {1: "another script"})
    assert run("kk", text, args=["--without", "language"]) == (lines, {})


def test_inapplicable_steps_are_reported(run, tmp_path, capsys):
    text = write_lines(tmp_path / "za", ["Boux boux ma daengz"])
    run("za", text)
    assert (
        "note: za: not described in the language table; these steps let all lines pass: script, language"
        in capsys.readouterr().out
    )
    run("za_latn", text, args=["--without", "language"])
    run("kk", write_lines(tmp_path / "kk", ["Пайдаланушы файлды сақтауы керек"]))
    assert "note:" not in capsys.readouterr().out


def test_no_progress_bar_without_a_terminal(run, tmp_path, capsys):
    run("bo", write_lines(tmp_path / "bo", ["བཀྲ་ཤིས་"]))
    assert capsys.readouterr().err == ""
