"""Documents joined and cut at a fixed length: every token occurs once, in order."""

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from swcm_fairseq.data.joined_documents import JoinedDocuments
from tests.data.test_blocks import BOS, EOS, Documents, documents


@given(documents, st.integers(1, 12), st.booleans())
def test_texts_are_the_documents_end_to_end(texts, limit, bos):
    joined = JoinedDocuments(Documents(texts, bos), limit, BOS, EOS)
    found = [joined[i].tolist() for i in range(len(joined))]
    whole = [*chain(*([*text, EOS] for text in texts))][:-1]
    assert [*chain(*found)] == whole
    assert [len(text) for text in found] == joined.sizes.tolist()
    assert all(len(text) == limit for text in found[:-1])
    assert joined.documents == len(texts)


def test_an_example():
    joined = JoinedDocuments(Documents([[4, 5, 6], [7], [], [8, 9]]), 4, BOS, EOS)
    assert [joined[i].tolist() for i in range(len(joined))] == [[4, 5, 6, EOS], [7, EOS, EOS, 8], [9]]
