"""The tokenizer gives exactly the same ids as training."""

import pickle

import pytest
from conftest import load_tokenizer


def test_ids_of_real_sentences(tokenizer, outputs):
    for each in outputs:
        found = tokenizer(each["texts"], add_special_tokens=False)["input_ids"]
        assert found == each["ids"]


def test_special_tokens_have_their_ids(tokenizer):
    assert tokenizer.convert_ids_to_tokens([0, 1, 2, 3]) == ["<s>", "<pad>", "</s>", "<unk>"]
    specials = ["<mask>", "<bo>", "<kk>", "<mn>", "<ug>", "<zh>"]
    size = len(tokenizer)
    assert size == tokenizer.vocab_size == len(tokenizer.get_vocab())
    assert tokenizer.convert_tokens_to_ids(specials) == list(range(size - 6, size))
    assert tokenizer.lang_code_to_id["ug"] == size - 2 and tokenizer.id_to_lang_code[size - 2] == "ug"
    assert (tokenizer.bos_token_id, tokenizer.pad_token_id, tokenizer.eos_token_id) == (0, 1, 2)
    assert tokenizer.mask_token_id == size - 6


def test_languages_of_source_and_target(tokenizer, outputs):
    text, ids = outputs[0]["texts"][0], outputs[0]["ids"][0]
    zh, bo, ug = (tokenizer.lang_code_to_id[lang] for lang in ("zh", "bo", "ug"))
    both = tokenizer(text, text_target=text)
    assert both["input_ids"] == [0, zh, *ids, 2]
    assert both["labels"] == [bo, *ids, 2]
    tokenizer.src_lang = tokenizer.tgt_lang = "ug"
    both = tokenizer([text], text_target=[text])
    assert (both["input_ids"], both["labels"]) == ([[0, ug, *ids, 2]], [[ug, *ids, 2]])
    assert tokenizer(text)["attention_mask"] == [1] * (len(ids) + 3)
    for name in ("src_lang", "tgt_lang"):
        with pytest.raises(ValueError, match="'fr' is not one of the model's languages: bo, kk, mn, ug, zh"):
            setattr(tokenizer, name, "fr")


def test_a_missing_language_is_reported(directory):
    tokenizer = load_tokenizer(directory)
    with pytest.raises(ValueError, match=r"no src_lang: set tokenizer.src_lang to one of bo, kk"):
        tokenizer("书")
    assert tokenizer("书", add_special_tokens=False)["input_ids"]


def test_truncation_as_in_training(tokenizer):
    ids = tokenizer("书本" * 100, truncation=True)["input_ids"]
    assert len(ids) == tokenizer.model_max_length == 64
    assert ids[:2] == [0, tokenizer.lang_code_to_id["zh"]] and ids[-1] == 2


@pytest.mark.parametrize("text", ["<s> <bo> </s>", "a <mask> b", "", "\n \u2028", "𠀀𠀁 ༀ"])
def test_text_stays_text(tokenizer, text):
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    specials = set(range(len(tokenizer) - 6, len(tokenizer))) | {0, 1, 2}
    assert not specials & set(ids)


def test_the_mask_on_demand(tokenizer):
    ids = tokenizer("书 <mask> 本", split_special_tokens=False)["input_ids"]
    assert tokenizer.mask_token_id in ids


def test_decoding(tokenizer, outputs):
    ids = tokenizer("书\U0001f600")["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True).endswith("<unk>")  # as in fairseq
    assert tokenizer.decode([0, 2005, 2]) == "<s><bo></s>"
    text = outputs[2]["texts"][1]
    again = tokenizer.decode(tokenizer(text)["input_ids"], skip_special_tokens=True)
    assert tokenizer(again)["input_ids"] == tokenizer(text)["input_ids"]


def test_saved_and_loaded_again(tokenizer, outputs, tmp_path):
    tokenizer.save_pretrained(tmp_path)
    again = load_tokenizer(tmp_path)
    texts = outputs[0]["texts"][:5]
    for other in (again, pickle.loads(pickle.dumps(tokenizer))):
        assert other(texts, text_target=texts) == tokenizer(texts, text_target=texts)
        assert len(other) == len(tokenizer)
