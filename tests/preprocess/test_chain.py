"""Arbitrary text in the whole chain (extract, clean, sentences, binarize): nothing is lost, no tracebacks."""

import json

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from preprocess import binarize, clean, extract, sentences
from swcm_fairseq.data.corpora import Corpora
from swcm_fairseq.errors import InputError

# Any content of JSON, and text in the scripts of the project.
SIGNS = st.sampled_from("ཀ་། абв ئې\u200c\u180e\u202f中。\n\u2028\0")
LETTERS = st.text(alphabet=st.one_of(st.characters(), SIGNS), max_size=30)
RECORDS = st.lists(st.one_of(LETTERS, st.none(), st.floats(), st.integers()), max_size=12)


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=RECORDS, raw=st.binary(max_size=20))
def test_every_record_is_kept_or_counted(vocabulary_dir, tmp_path, texts, raw):
    corpus = tmp_path / "corpus.jsonl"
    corpus.write_bytes(b"".join(json.dumps({"text": text}).encode() + b"\n" for text in texts) + raw)
    left_out = 0
    try:
        extract.main(f"jsonl --input {corpus} --lang bo --output {tmp_path}/text --rejects {tmp_path}/r1".split())
        left_out += (tmp_path / "r1").read_bytes().count(b"\n")
        cleaned = tmp_path / "clean"
        clean.main(
            f"--lang bo --input {tmp_path}/text.bo --output {cleaned} --rejects {tmp_path}/r2 --without script".split()
        )
        left_out += (tmp_path / "r2").read_bytes().count(b"\n")
        parts = tmp_path / "parts"  # so long that each document is one part, so that lines can be counted
        sentences.main(
            f"--lang bo --input {cleaned} --output {parts} --part-chars 100000 --rejects {tmp_path}/r3".split()
        )
        left_out += (tmp_path / "r3").read_bytes().count(b"\n")
        data_bin = tmp_path / "data-bin"
        binarize.main(f"--vocab {vocabulary_dir} --output {data_bin} --mono bo:train={parts} --again".split())
    except InputError as error:
        assert "\n" not in str(error)
        return
    split = Corpora.read(data_bin).corpora[0].splits["train"]
    tail = raw.removesuffix(b"\n")
    lines = len(texts) + (tail.count(b"\n") + 1 if raw else 0)
    assert lines == left_out + sum(split.left_out.values()) + split.samples
