import io

import numpy as np
import pytest
import sentencepiece
from fairseq.data import Dictionary

from swcm_fairseq.data import vocabulary
from swcm_fairseq.data.vocabulary import MASK, Vocabulary, add_special_symbols, checksum
from swcm_fairseq.errors import InputError

TEXT = ["བོད་ཀྱི་སྐད་ཡིག", "今天天气很好。", "Бүгін ауа райы өте жақсы.", "ھاۋا ناھايىتى ياخشى"] * 20


def train(path, **options):
    """A vocabulary directory with a model trained on :data:`TEXT`."""
    model = io.BytesIO()
    sizes = {"vocab_size": 50, "hard_vocab_limit": False, "character_coverage": 1.0}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXT), model_writer=model, minloglevel=2, **sizes, **options
    )
    (path / vocabulary.SENTENCEPIECE_FILE).write_bytes(model.getvalue())
    processor = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    vocabulary.dictionary_from_sentencepiece(processor).save(str(path / vocabulary.DICT_FILE))
    return path


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return train(tmp_path_factory.mktemp("vocabulary"))


def test_ids_are_those_of_xlmr(directory):
    vocab = Vocabulary(directory)
    special = [vocab.dictionary.index(s) for s in ("<s>", "<pad>", "</s>", "<unk>")]
    assert special == [0, 1, 2, 3]
    # XLM-R: dictionary id = sentencepiece id + 1 for every piece (sentencepiece has <unk> <s> </s> first).
    for i in range(3, vocab.processor.get_piece_size()):
        assert vocab.dictionary.index(vocab.processor.id_to_piece(i)) == i + 1


def test_encode_agrees_with_the_pieces_and_decode_inverts_it(directory):
    vocab = Vocabulary(directory)
    for line, ids in zip(TEXT[:4], vocab.encode(TEXT[:4]), strict=True):
        pieces = vocab.processor.encode(line, out_type=str)
        assert ids.tolist() == [vocab.dictionary.index(piece) for piece in pieces]
        assert vocab.decode(ids) == line
    assert vocab.encode([""])[0].shape == (0,)


def test_special_tokens_written_in_the_text_stay_text(directory):
    vocab = Vocabulary(directory)
    add_special_symbols(vocab.dictionary, ["bo", "zh"])
    reserved = [0, 1, 2, vocab.dictionary.index(MASK), vocab.dictionary.index("<bo>")]
    for ids in vocab.encode(["<s> </s> <pad> <mask> <bo> <zh>"]):
        assert not np.isin(ids, reserved).any()


def test_special_symbols_follow_the_pieces_in_the_given_order(directory):
    dictionary = Vocabulary(directory).dictionary
    size = len(dictionary)
    add_special_symbols(dictionary, ["zh", "bo"])
    assert [dictionary.index(s) for s in (MASK, "<zh>", "<bo>")] == [size, size + 1, size + 2]


def test_the_checksum_depends_only_on_the_pieces(directory):
    dictionary = Vocabulary(directory).dictionary
    before = checksum(dictionary)
    add_special_symbols(dictionary, ["bo"])
    assert checksum(dictionary) == before
    other = Dictionary()
    other.add_symbol("▁x")
    assert checksum(other) != before


def test_a_piece_spelled_like_a_language_token_is_refused():
    dictionary = Dictionary()
    dictionary.add_symbol("<bo>")
    with pytest.raises(InputError, match="already has '<bo>'"):
        add_special_symbols(dictionary, ["bo"])


@pytest.mark.parametrize("symbol", ["<pad>", "<mask>", "<bo>"])
def test_a_model_with_a_special_symbol_as_a_piece_is_refused(tmp_path, symbol):
    with pytest.raises(InputError, match=f"has the piece '{symbol}', .*train the vocabulary without it"):
        Vocabulary(train(tmp_path, user_defined_symbols=[symbol]))


def test_text_cannot_reach_control_symbols_that_are_special_symbols(tmp_path):
    vocab = Vocabulary(train(tmp_path, control_symbols=["<mask>", "<bo>"], pad_id=3))
    add_special_symbols(vocab.dictionary, ["bo"])
    reserved = [vocab.dictionary.index(symbol) for symbol in ("<pad>", MASK, "<bo>")]
    assert not np.isin(vocab.encode(["<pad> <mask> <bo>"])[0], reserved).any()


def test_a_repeated_language_is_refused():
    with pytest.raises(InputError, match="name each language once"):
        add_special_symbols(Dictionary(), ["bo", "bo"])


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("dict.txt", None, "no such dictionary"),
        ("dict.txt", b"", "is empty"),
        ("dict.txt", b"a b c\n", "not a fairseq dictionary"),
        ("dict.txt", b"\xff\xfe 1\n", "not a fairseq dictionary"),
        ("dict.txt", "▁else 1\n".encode(), "belong to different vocabularies"),
        ("sentencepiece.bpe.model", None, "no such sentencepiece model"),
        ("sentencepiece.bpe.model", b"not a model", "not a sentencepiece model"),
    ],
)
def test_damaged_directories_are_refused_by_name(directory, tmp_path, file, content, message):
    for source in directory.iterdir():
        (tmp_path / source.name).write_bytes(source.read_bytes())
    if content is None:
        (tmp_path / file).unlink()
    else:
        (tmp_path / file).write_bytes(content)
    with pytest.raises(InputError, match=message) as error:
        Vocabulary(tmp_path)
    assert str(tmp_path / file).split("/")[-1] in str(error.value)
