import json

import pytest

from swcm_fairseq.data.corpora import CORPORA_FILE, Corpora, Corpus, Kind, Split
from swcm_fairseq.errors import InputError

CORPORA = Corpora(
    "0f" * 32,
    8000,
    [
        Corpus("bo", Kind.MONO, "bo", "bo", {"train": Split("bo/train", None, 300, 5514)}),
        Corpus("ti_sum", Kind.PAIR, "bo", "bo", {"test": Split("test.ti_sum.source", "test.ti_sum.target", 2, 9, 4)}),
    ],
)


def test_round_trip(tmp_path):
    CORPORA.write(tmp_path)
    assert Corpora.read(tmp_path) == CORPORA
    assert [p.name for p in tmp_path.iterdir()] == [CORPORA_FILE]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda c: c.append(c[0]), "'bo' is listed twice"),
        (lambda c: c[0].update(source_lang=None), r"corpora\[0\]: source_lang: null is not text"),
        (lambda c: c[1]["splits"]["test"].update(target=None), "ti_sum test lacks a file"),
        (
            lambda c: c[0]["splits"]["train"].update(source=None),
            r"corpora\[0\]: splits.train: source: null is not text",
        ),
        (lambda c: c[0].update(splits=[]), r"corpora\[0\]: splits: \[\] is not a mapping"),
    ],
)
def test_manual_damage_is_refused(tmp_path, damage, message):
    CORPORA.write(tmp_path)
    content = json.loads((tmp_path / CORPORA_FILE).read_text())
    damage(content["corpora"])
    (tmp_path / CORPORA_FILE).write_text(json.dumps(content))
    with pytest.raises(InputError, match=message):
        Corpora.read(tmp_path)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "No such file"),
        ("", "not JSON"),
        ("[]", r"\[\] is not a mapping with the keys"),
        ("{}", "the key 'version' is missing"),
        ('{"version": 99, "vocabulary": {"checksum": "", "size": 1}, "corpora": []}', "version 99"),
        ('{"version": 1, "vocabulary": {}, "corpora": []}', "vocabulary: the key 'checksum' is missing"),
        (
            '{"version": 1, "vocabulary": {"checksum": "", "size": 1}, "corpora": [{"kind": "odd"}]}',
            r"corpora\[0\]: the key 'name' is missing",
        ),
    ],
)
def test_damaged_files_are_refused(tmp_path, content, message):
    if content is not None:
        (tmp_path / CORPORA_FILE).write_text(content)
    with pytest.raises(InputError, match=message):
        Corpora.read(tmp_path)
