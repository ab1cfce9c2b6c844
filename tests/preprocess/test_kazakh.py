"""Kazakh in Cyrillic and Arabic script: words in both directions, real text, and the command."""

import lzma
import re
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from preprocess import clean
from preprocess.steps.ledger import WORDS
from preprocess.text.kazakh import FOREIGN, HAMZA, OTHER, SILENT_LETTERS, KazakhScript, to_arabic, to_cyrillic
from swcm_fairseq.errors import InputError
from tests.preprocess.conftest import write_lines

# Words as written in Kazakh newspapers of China and in Unicode CLDR.
BOTH_WAYS = [
    ("қазақстан", "قازاقستان"),
    ("бала", "بالا"),
    ("үй", "ٴۇي"),
    ("тіл", "ٴتىل"),
    ("әдіс", "ٴادىس"),
    ("өнер", "ونەر"),  # е marks the vowels as front
    ("күн", "كۇن"),  # so does к
    ("гүл", "گۇل"),
    ("қасиеті", "قاسيەتى"),  # back, then front
    ("саусақпен", "ساۋساقپەن"),
    ("партия", "پارتيا"),
    ("қоян", "قويان"),
    ("иә", "ٴيا"),
    ("жию", "جيۋ"),
    ("ит", "يت"),
    ("ой", "وي"),
    ("станция", "ستانتسيا"),
    ("кетсе", "كەتسە"),
    ("кітап", "كىتاپ"),
    ("жаһан", "جاھان"),
    ("ащы", "اششى"),
    ("видео", "ۆيدەو"),
]
ONE_WAY = [("пароль", "پارول"), ("эл", "ەل"), ("мұғалім", "مۇعالىم"), ("ион", "يون")]


@pytest.mark.parametrize(("cyrillic", "arabic"), BOTH_WAYS)
def test_words_both_ways(cyrillic, arabic):
    assert to_arabic(cyrillic) == arabic.replace("ٴ", HAMZA)
    assert to_cyrillic(arabic) == cyrillic


@pytest.mark.parametrize(("cyrillic", "arabic"), ONE_WAY)
def test_words_to_arabic(cyrillic, arabic):
    assert to_arabic(cyrillic) == arabic


@pytest.mark.parametrize("arabic", ["\u0678ت", "\u0674ىت", "\u0621ىت"])
def test_all_codings_of_the_hamza_are_read(arabic):
    words = Counter()
    assert KazakhScript("cyrillic")(arabic, words) == "іт"
    assert words == {WORDS: 1}


def words_of(consonants: str, first: str, others: str) -> st.SearchStrategy[str]:
    """Native words with vowel harmony, without ш at the end of a syllable because шш is read as щ."""

    def syllable(vowels: str) -> st.SearchStrategy[str]:
        start = st.sampled_from(consonants)
        end = st.sampled_from(["", *(letter for letter in consonants if letter not in "шт")])
        return st.tuples(start, st.sampled_from(vowels), end).map("".join)

    return st.tuples(syllable(first), st.lists(syllable(others), max_size=3).map("".join)).map("".join)


BACK = words_of("бдғжзқлмнңпрстуш", "аоұы", "аы")
FRONT = words_of("бгджзклмнңпрстуш", "әеөүі", "еүі")


@settings(max_examples=60, deadline=None)
@given(st.one_of(BACK, FRONT))
def test_native_words_read_back(word):
    arabic = to_arabic(word)
    assert to_cyrillic(arabic) == word
    assert to_arabic(to_cyrillic(arabic)) == arabic


@settings(max_examples=60, deadline=None)
@given(st.text(alphabet="абғеийкқоөсцтшщіьюяёэх,;? 7aЄ"), st.sampled_from(["arabic", "cyrillic"]))
def test_writing_twice_changes_nothing_and_every_word_is_counted(text, script):
    words = Counter()
    once = KazakhScript("arabic")(text, words)
    assert words[WORDS] == len([each for each in re.findall(r"[^\W\d_]+", text) if not each.isascii()])
    for write in (KazakhScript(script), KazakhScript(script)):
        again = write(once, Counter())
        assert write(again, Counter()) == again


def test_losses_are_counted():
    words = Counter()
    text = "Пароль, съезд; Єва? 3,5 x,y Тіл қате бірақ"
    assert KazakhScript("arabic")(text, words) == "پارول، سەزد؛ єۆا؟ 3,5 x,y ٴتىل قاتە بىراق"
    assert words == {WORDS: 6, SILENT_LETTERS: 2, FOREIGN: 1, OTHER: 3}
    back = Counter()
    assert KazakhScript("cyrillic")("قاتە، ئۇيغۇر؟ x", back) == "қате, ئұйغұр? x"
    assert back == {WORDS: 2, FOREIGN: 1}


def test_real_text_reads_back(sample_data):
    """Exceptions are words of Russian or Arabic origin: экран, параметр, қазір."""
    text = (sample_data / "mono.kk.train.txt").read_text("utf-8").lower()
    words = [word for word in re.findall(r"[^\W\d_]+", text) if not word.isascii()]
    same = sum(to_cyrillic(to_arabic(word)) == word for word in words)
    assert same / len(words) > 0.93
    native = [word for word in words if not set(word) & set("вфхһцчщъьэюяё")]
    assert sum(to_cyrillic(to_arabic(word)) == word for word in native) / len(native) > 0.95


def test_labels_of_cldr_in_both_scripts(datapack):
    """97% of the words are spelled as in CLDR's own labels in Arabic script, and 93% in the other direction."""

    def rows(name: str) -> list[str]:
        return lzma.open(datapack / f"full/{name}.xz", "rt", encoding="utf-8").read().split("\n")[:-1]

    cyrillic = {
        zh: text
        for zh, text, meta in zip(*(rows(f"zh-kk.train.{end}") for end in ("zh", "kk", "meta")), strict=True)
        if meta.startswith("cldr")
    }
    same, back, count = 0, 0, 0
    arabic = zip(*(rows(f"zh-kk_arab.train.{end}") for end in ("zh", "kk_arab", "meta")), strict=True)
    for zh, text, meta in arabic:
        ours = cyrillic.get(zh, "").lower().split()
        theirs = text.replace("ء", HAMZA).split()
        if meta.startswith("cldr") and len(ours) == len(theirs):
            for one, other in zip(ours, theirs, strict=True):
                if one.isalpha() and not one.isascii() and other.replace(HAMZA, "").isalpha():
                    same += to_arabic(one) == other
                    back += to_cyrillic(other) == one
                    count += 1
    assert count > 8000
    assert same / count > 0.97 and back / count > 0.93


def run(tmp_path, lang, lines, *options):
    text = write_lines(tmp_path / "in", lines)
    clean.main(["--lang", lang, "--input", str(text), "--output", str(tmp_path / "out"), *options])
    return (tmp_path / "out").read_text("utf-8").split("\n")[:-1]


def test_the_step(tmp_path, capsys):
    lines = ["Пайдаланушы файлды сақтауы керек.", "پايدالانۋشى فايلدى ساقتاۋى كەرەك."]
    assert run(tmp_path, "kk", lines, "--kazakh-script", "arabic") == [lines[1]]  # the other is now a duplicate
    out = capsys.readouterr().out
    assert re.search(r"changed by kazakh +1 ", out) and re.search(r"left out: duplicate +1 ", out)
    assert re.search(r"\nkazakh +words\n-.*\nwords +4 +100.00%\n", out)
    assert run(tmp_path, "kk_cyrl", lines, "--kazakh-script", "cyrillic", "--without", "duplicates") == [
        lines[0],
        lines[0].lower(),
    ]
    assert run(tmp_path, "kk", lines, "--kazakh-script", "arabic", "--without", "kazakh") == lines
    both = run(tmp_path, "kk", lines * 30, "--kazakh-script", "arabic", "--without", "duplicates", "--workers", "2")
    assert both == [lines[1]] * 60


def test_one_side_of_a_pair_and_bad_input(tmp_path):
    source, target = write_lines(tmp_path / "zh", ["保存文件"]), write_lines(tmp_path / "kk", ["Файлды сақтау"])
    files = ["--input", str(source), str(target), "--output", str(tmp_path / "a"), str(tmp_path / "b")]
    clean.main(["--lang", "zh-kk", *files, "--kazakh-script", "arabic"])
    assert (tmp_path / "b").read_text("utf-8") == "فايلدى ساقتاۋ\n"
    with pytest.raises(InputError, match=r"^--kazakh-script: --lang bo has no Kazakh \(kk\)"):
        run(tmp_path, "bo", ["ཀ"], "--kazakh-script", "arabic")
    with pytest.raises(InputError, match=r"^--kazakh-script arabic: --lang kk_cyrl is another script; give kk"):
        run(tmp_path, "kk_cyrl", ["Файлды"], "--kazakh-script", "arabic")
