"""Rows follow their pieces, whatever their index."""

from pathlib import Path

import pytest
import torch
from fairseq.data import Dictionary
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from swcm_fairseq.data.segmentation import inside_words
from swcm_fairseq.data.vocabulary import load_sentencepiece
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.embedding_rows import match_rows
from swcm_fairseq.interop.read import read_encoder

XLMR = Path(__file__).with_name("fixtures") / "xlmr"


def dictionary_of(symbols) -> Dictionary:
    dictionary = Dictionary()
    for symbol in symbols:
        dictionary.add_symbol(symbol)
    return dictionary


@pytest.fixture(scope="module")
def encoder():
    return read_encoder(XLMR)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=30, deadline=None)
@given(st.data())
def test_pruned_shuffled_and_extended(encoder, data):
    pieces = data.draw(st.permutations(encoder.symbols[4:]).map(lambda p: p[:20]))
    new = data.draw(st.lists(st.text("xyzXYZ", min_size=6, max_size=8), unique=True, max_size=5))
    symbols = data.draw(st.permutations([*pieces, *new]))
    dictionary = dictionary_of(symbols)
    start = torch.randn(len(dictionary), 16)
    table, counts = match_rows(start, encoder.tensors["embed_tokens.weight"], encoder, dictionary, False)
    source = encoder.tensors["embed_tokens.weight"]
    for i, symbol in enumerate(dictionary.symbols):
        expected = source[encoder.symbols.index(symbol)] if symbol in encoder.symbols else start[i]
        assert torch.equal(table[i], expected)
    assert counts["copied by piece"] == 24
    assert counts["new"] == len(new)
    assert counts["of the encoder not used"] == source.size(0) - 24


def test_new_rows_as_the_mean_of_their_pieces(encoder):
    processor = inside_words(load_sentencepiece(XLMR / "sentencepiece.bpe.model"))
    new = ["▁abcdeabcde", "中国人民大学天地", "Q", "<bo>"]
    dictionary = dictionary_of([*new, encoder.symbols[9]])
    source = encoder.tensors["embed_tokens.weight"]
    start = torch.randn(len(dictionary), 16)
    table, counts = match_rows(start, source, encoder, dictionary, True)
    for symbol in new[:2]:
        pieces = processor.encode(symbol, out_type=str)
        assert len(pieces) > 1
        rows = [encoder.symbols.index(piece) for piece in pieces if piece in encoder.symbols]
        torch.testing.assert_close(table[dictionary.index(symbol)], source[rows].mean(0))
    for symbol in new[2:]:  # no known piece; a language token
        assert torch.equal(table[dictionary.index(symbol)], start[dictionary.index(symbol)])
    assert (counts["the mean of their pieces"], counts["new"]) == (2, 2)


def test_another_vocabulary_altogether(encoder):
    dictionary = dictionary_of(["Ġthe", "Ġof", "<mask>", "<bo>"])
    with pytest.raises(InputError, match="no piece of the dictionary is in the encoder's vocabulary"):
        match_rows(torch.randn(8, 16), encoder.tensors["embed_tokens.weight"], encoder, dictionary, False)


def test_inside_of_words(encoder):
    """With a leading space, it splits like the model; without one, no piece with a space occurs."""
    processor = load_sentencepiece(XLMR / "sentencepiece.bpe.model")
    inside = inside_words(processor)
    for line in ("abcde", "中国人民", "абвгдеабв", "ཀཁགངཅ", "jihgfedcba"):
        assert inside.encode(f"▁{line}", out_type=str) == processor.encode(line, out_type=str)
        pieces = inside.encode(line, out_type=str)
        assert "".join(pieces) == line and processor.encode(line, out_type=str)[0].startswith("▁")
    assert inside.encode("ﬁ", out_type=str) == ["ﬁ"]  # not normalized to fi


def test_report_counts_rows_and_tensors(start, dictionary):
    dictionary.add_symbol("<bo>")
    model, report = start(XLMR)
    table = report.table(model)
    assert f"embedding rows: {len(dictionary) - 1:,} copied by piece, 1 new" in table
    encoder_tensors = len(list(model.encoder.layers.parameters()))
    assert f"encoder layers{encoder_tensors:>23}        0        0" in table
    assert str(XLMR) in table
