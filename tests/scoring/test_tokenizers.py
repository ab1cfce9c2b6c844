"""Tables of texts and tokens, one per tokenizer."""

import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score.tokenizers import DefaultTokenizer

from swcm_fairseq.errors import InputError
from swcm_fairseq.scoring.tokenizers import build_tokenizer, known_languages, language_tokenizer

MVS = "\u180e"  # Mongolian vowel separator
FVS1 = "\u180b"  # a variation selector
NNBSP = "\u202f"  # narrow no-break space before a Mongolian suffix

TABLE = [
    ("bo", "བོད་ཡིག་གི་ཡི་གེ།", ["བོད", "ཡིག", "གི", "ཡི", "གེ"]),
    ("bo", "ཀ། ཁ༎ ག༌ང", ["ཀ", "ཁ", "ག", "ང"]),  # shad, double shad, the tsheg that does not break
    ("bo", "ཚིག་ABC་第1章 ༡༢ 3.14", ["ཚིག", "abc", "第", "1", "章", "༡༢", "3.14"]),
    ("bo", "དཀའABC", ["དཀའ", "abc"]),
    ("bo", "<unk>་ཡིག", ["<unk>", "ཡིག"]),
    ("zh", "今天，天气好。", ["今", "天", "天", "气", "好"]),
    ("zh", "用iPhone15 Pro花3.14万", ["用", "iphone15", "pro", "花", "3.14", "万"]),
    ("zh", "ＣＯＶＩＤ－１９", ["covid", "19"]),  # full width
    ("zh", "2010年12,345人", ["2010", "年", "12,345", "人"]),
    ("kk", "Қазақстан — тілі, 2-ші", ["қазақстан", "тілі", "2", "ші"]),
    ("kk", "قازاق ٴتىلى", ["قازاق", "ٴتىلى"]),  # the high hamza is a letter
    ("kk_arab", "قازاق، ٢٫٥", ["قازاق", "٢٫٥"]),
    ("ug", "ئۇيغۇر تىلى، 3.5%؟", ["ئۇيغۇر", "تىلى", "3.5"]),
    ("ug", "ﺋﯘﻳﻐﯘﺭ", ["ئۇيغۇر"]),  # presentation forms
    ("ug", "ئـــۇ", ["ئۇ"]),  # tatweel
    ("ug", "汉语 سۆز", ["汉", "语", "سۆز"]),
    ("mn", "Монгол улс, ӨӨР", ["монгол", "улс", "өөр"]),
    ("mn", f"ᠮᠣᠩᠭᠣᠯ{MVS}ᠠ᠂ ᠤᠯᠤᠰ᠃", ["ᠮᠣᠩᠭᠣᠯᠠ", "ᠤᠯᠤᠰ"]),  # one word over the vowel separator
    ("mn", f"ᠤᠯᠤᠰ{NNBSP}ᠤᠨ", ["ᠤᠯᠤᠰ", "ᠤᠨ"]),
    ("mn", f"ᠭᠡ{FVS1}ᠷ", ["ᠭᠡᠷ"]),
    ("en", "Hello, it's 3.14!", ["hello", "it", "s", "3", "14"]),
]


@pytest.mark.parametrize("language,text,tokens", TABLE)
def test_table(language, text, tokens):
    assert build_tokenizer(language).tokenize(text) == tokens


@settings(max_examples=100)
@given(st.text(st.characters(codec="ascii"), max_size=40))
def test_english_is_rouge_scores_own(text):
    assert build_tokenizer("en").split(text) == DefaultTokenizer().tokenize(text)


@settings(max_examples=100)
@given(st.sampled_from(known_languages()), st.text(max_size=40))
def test_no_text_fails_and_no_token_is_empty_or_has_spaces(language, text):
    for token in build_tokenizer(language).tokenize(text):
        assert token
        assert not any(character.isspace() for character in token)


def test_unknown_pieces_of_reference_and_hypothesis_never_match():
    for language in known_languages():
        tokenizer = build_tokenizer(language)
        assert not set(tokenizer.tokenize("a <<unk>> b")) & set(tokenizer.tokenize("<unk>"))


@pytest.fixture(scope="module")
def pieces_model(tmp_path_factory):
    prefix = tmp_path_factory.mktemp("sp") / "model"
    sentences = ["ab cd ab", "cd ab", "ab ab cd"] * 10
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences), model_prefix=str(prefix), vocab_size=10, minloglevel=2
    )
    return prefix.with_suffix(".model")


def test_sentencepiece(pieces_model):
    tokenizer = build_tokenizer("bo", "sentencepiece", pieces_model)
    processor = sentencepiece.SentencePieceProcessor(model_file=str(pieces_model))
    assert tokenizer.tokenize("ab cd") == processor.encode("ab cd", out_type=str)
    assert set(tokenizer.tokenize("ཀ")) != set(tokenizer.tokenize("ཁ"))  # both unknown to the model
    assert len(tokenizer.name) == len("sentencepiece-") + 8


def test_bad_choices(tmp_path, pieces_model):
    with pytest.raises(InputError, match=r"no tokenizer is known for the language 'xx'.*known: bo, en"):
        language_tokenizer("xx")
    with pytest.raises(InputError, match="not a language code"):
        language_tokenizer("Tibetan!")
    with pytest.raises(InputError, match="unknown tokenizer 'words'"):
        build_tokenizer("bo", "words")
    with pytest.raises(InputError, match="together, or neither"):
        build_tokenizer("bo", "sentencepiece")
    with pytest.raises(InputError, match="together, or neither"):
        build_tokenizer("bo", None, pieces_model)
    with pytest.raises(InputError, match="cannot read the sentencepiece model"):
        build_tokenizer("bo", "sentencepiece", tmp_path / "none.model")
    wrong = tmp_path / "wrong.model"
    wrong.write_bytes(b"not a model")
    with pytest.raises(InputError, match="not a sentencepiece model"):
        build_tokenizer("bo", "sentencepiece", wrong)
