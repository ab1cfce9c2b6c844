"""Training a vocabulary: XLM-R's ids, determinism, balance, refused inputs."""

from collections import Counter

import pytest

from preprocess import vocab
from preprocess.text.units import count_units
from preprocess.vocabulary.line_sampling import rates
from swcm_fairseq.data.vocabulary import Vocabulary
from swcm_fairseq.errors import InputError
from tests.preprocess.conftest import SENTENCES, write_lines


@pytest.fixture(scope="module")
def real_vocabulary(sample_data, tmp_path_factory) -> Vocabulary:
    """2,000 pieces learned from the committed sample of all five languages."""
    directory = tmp_path_factory.mktemp("real") / "vocab"
    files = [f"{lang}={sample_data}/mono.{lang}.train.txt" for lang in SENTENCES]
    vocab.main(["--size", "2000", "--output", str(directory), "--input", *files])
    return Vocabulary(directory)


def test_ids_are_those_of_xlm_r(vocabulary_dir):
    vocabulary = Vocabulary(vocabulary_dir)
    processor, dictionary = vocabulary.processor, vocabulary.dictionary
    assert [dictionary.bos(), dictionary.pad(), dictionary.eos(), dictionary.unk()] == [0, 1, 2, 3]
    assert len(dictionary) == 250 + 4
    for i in range(3, processor.get_piece_size()):  # XLM-R: fairseq id = sentencepiece id + 1
        assert dictionary.index(processor.id_to_piece(i)) == i + 1


def test_the_same_files_give_the_same_vocabulary(vocabulary_dir, texts, tmp_path):
    args = ["--size", "250", "--output", str(tmp_path / "again"), "--input", *(f"{k}={v}" for k, v in texts.items())]
    vocab.main(args)
    for name in ("dict.txt", "sentencepiece.bpe.model"):
        assert (tmp_path / "again" / name).read_bytes() == (vocabulary_dir / name).read_bytes()
    vocab.main(args)  # a second run into the same directory is not a conflict


def test_another_vocabulary_in_the_directory_is_kept(vocabulary_dir, texts):
    with pytest.raises(InputError, match="already contains another vocabulary"):
        vocab.main(["--size", "50", "--output", str(vocabulary_dir), "--input", str(texts["kk"])])


@pytest.mark.parametrize("lang", list(SENTENCES))
def test_decoding_gives_the_normalized_text(real_vocabulary, sample_data, lang):
    lines = (sample_data / f"mono.{lang}.valid.txt").read_text(encoding="utf-8").split("\n")[:-1]
    unknown = real_vocabulary.dictionary.unk()
    known = [(line, ids) for line, ids in zip(lines, real_vocabulary.encode(lines), strict=True) if unknown not in ids]
    assert len(known) > len(lines) / 2
    for line, ids in known:
        assert real_vocabulary.decode(ids) == real_vocabulary.processor.normalize(line).replace("▁", " ").strip()


def test_mongolian_separators_and_arabic_joiners_are_restored(tmp_path):
    words = ["ᠮᠣᠩᠭᠣᠯ\u180eᠠ ᠬᠡᠯᠡ\u180b ᠪᠢᠴᠢᠭ\u202fᠦᠨ", "مە\u200dن قازاقشا جازا\u200dمىن", "ئۇيغۇر\u200d تىلى"]
    text = write_lines(tmp_path / "text", words * 20)
    vocab.main(["--size", "35", "--output", str(tmp_path / "vocab"), "--input", str(text)])
    vocabulary = Vocabulary(tmp_path / "vocab")
    for line, ids in zip(words, vocabulary.encode(words), strict=True):
        assert vocabulary.decode(ids) == vocabulary.processor.normalize(line).replace("▁", " ").strip()
        for mark in "\u180e\u180b\u200d":
            assert vocabulary.decode(ids).count(mark) == line.count(mark)


def test_text_full_of_special_tokens_makes_no_piece_of_that_name(tmp_path):
    lines = [f"<bo> {word} <mask> <zh><bo>" for word in ("one", "two", "three", "four")] * 50
    text = write_lines(tmp_path / "text", lines)
    vocab.main(["--size", "20", "--output", str(tmp_path / "vocab"), "--input", str(text)])
    vocabulary = Vocabulary(tmp_path / "vocab")
    assert not {"<bo>", "<zh>", "<mask>"}.intersection(vocabulary.dictionary.symbols)


def test_rates_follow_the_temperature_formula():
    counts = Counter({"bo": 100, "zh": 900})
    assert rates(counts, 1.0, 10_000) == {"bo": 1.0, "zh": 1.0}
    flat = rates(counts, 0.0, 10_000)
    assert (flat["bo"] * 100, flat["zh"] * 900) == (500, 500)
    tempered = rates(counts, 0.3, 500)
    share = 0.1**0.3 / (0.1**0.3 + 0.9**0.3)
    assert tempered["bo"] * 100 == pytest.approx(500 * share)


@pytest.mark.parametrize(
    ("lang", "text", "count"),
    [
        ("bo", "བཀྲ་ཤིས་བདེ་ལེགས། ༡༢ LibreOffice།", 6),
        ("zh", "保存 文件 LibreOffice 。", 6),
        ("kk", "Пайдаланушы файлды  сақтады.", 3),
        (None, "", 0),
    ],
)
def test_words_syllables_and_characters(lang, text, count):
    assert count_units(text, lang) == count


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("--size 100000 --input {kk}", r"the text is too small; at most \d+ pieces"),
        ("--size 3 --input {kk}", r"the text has more distinct characters than that; give at least \d+"),
        ("--size 50 --alpha 2 --input {kk}", "--alpha 2.0: must be between 0"),
        ("--size 50 --input /no/such", "/no/such: no such file"),
        ("--size 50 --input Kazakh={kk}", "not a language code"),
        ("--size 0 --input {kk}", "^--size 0: must be at least 1"),
        ("--size 50 --input {empty}", "the file is empty"),
        ("--size 50 --input {blank}", "all lines are blank"),
        ("--size 50 --input {latin1}", r"latin1:2: invalid UTF-8"),
    ],
)
def test_bad_input_is_refused(texts, tmp_path, args, message):
    (tmp_path / "empty").touch()
    (tmp_path / "blank").write_text("\n \n")
    (tmp_path / "latin1").write_bytes(b"x\n\xe9\n")
    places = {name: tmp_path / name for name in ("empty", "blank", "latin1")}
    with pytest.raises(InputError, match=message):
        vocab.main(["--output", str(tmp_path / "out"), *args.format(kk=texts["kk"], **places).split()])
    assert not (tmp_path / "out").exists()
