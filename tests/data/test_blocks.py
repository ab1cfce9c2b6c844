"""Documents split into blocks or truncated: every loss is reported, and nothing is too long."""

from itertools import chain

import numpy as np
import torch
from fairseq.data import Dictionary
from hypothesis import given, settings
from hypothesis import strategies as st

from swcm_fairseq.data import blocks
from swcm_fairseq.data.blocks import Blocks
from swcm_fairseq.data.piece_boundaries import PieceTable

BOS, EOS = 0, 2
DICTIONARY = Dictionary()
for symbol in ("▁a", "b", "。"):
    DICTIONARY.add_symbol(symbol)
PIECES = PieceTable.build(DICTIONARY, "zh")
END = DICTIONARY.index("。")


class Documents(list):
    """A stand-in for an indexed dataset."""

    def __init__(self, texts, bos: bool = False):
        super().__init__(torch.tensor([*([BOS] if bos else []), *text, EOS]) for text in texts)
        self.sizes = np.array([len(text) for text in self])


documents = st.lists(st.lists(st.sampled_from([4, 5, END]), max_size=40), min_size=1, max_size=8)


@settings(max_examples=150, deadline=None)
@given(documents, st.integers(1, 12), st.booleans())
def test_blocks_are_the_documents(texts, limit, bos):
    cut = Blocks(Documents(texts, bos), limit, BOS, EOS, PIECES)
    found = [cut[i].tolist() for i in range(len(cut))]
    assert [len(text) for text in found] == cut.sizes.tolist()
    assert max(cut.sizes) <= limit
    assert [*chain(*found)] == [*chain(*texts)]
    assert cut.tokens_lost == 0 and cut.documents == len(texts)
    assert cut.documents_cut == sum(len(text) > limit for text in texts)
    assert all(len(text) > 0 for text in found) or min(map(len, texts)) == 0


def test_cuts_are_at_sentence_ends():
    text = [4, 5, END, 4, END, 4, 5, 5, 5, 5, 5, 5, END]
    cut = Blocks(Documents([text]), 6, BOS, EOS, PIECES)
    # Two sentences in one block; then a sentence longer than a block, which is cut where the block is full.
    assert [cut[i].tolist() for i in range(len(cut))] == [text[:5], text[5:11], text[11:]]
    assert cut.full(2).tolist() == text


def test_cutting_in_small_portions_gives_the_same(monkeypatch):
    rng = np.random.default_rng(0)
    texts = [rng.choice([4, 5, END], rng.integers(1, 90)).tolist() for _ in range(30)]
    whole = Blocks(Documents(texts), 10, BOS, EOS, PIECES)
    monkeypatch.setattr(blocks, "_CHUNK_TOKENS", 50)
    parts = Blocks(Documents(texts), 10, BOS, EOS, PIECES)
    assert np.array_equal(whole.document, parts.document) and np.array_equal(whole.start, parts.start)


@settings(max_examples=50, deadline=None)
@given(documents, st.integers(1, 12))
def test_truncation_counts_what_is_lost(texts, limit):
    cut = Blocks(Documents(texts), limit, BOS, EOS)
    assert [cut[i].tolist() for i in range(len(cut))] == [text[:limit] for text in texts]
    assert cut.sizes.tolist() == [len(text[:limit]) for text in texts]
    assert cut.tokens_lost == sum(len(text[limit:]) for text in texts)
    assert [cut.full(i).tolist() for i in range(len(cut))] == texts
