"""Checks of fine-tuning and merging before they train."""

import pytest

from swcm_fairseq.data.corpora import Corpus, Kind, Split
from swcm_fairseq.errors import InputError
from swcm_fairseq.reporting import check_start


@pytest.fixture
def directory(monkeypatch, tmp_path):
    """Titles in bo with all splits, in ug without a test split, and translations."""
    splits = {name: Split(name) for name in ("train", "valid", "test")}
    untested = {name: splits[name] for name in ("train", "valid")}
    corpora = [
        Corpus("title_bo", Kind.PAIR, "bo", "bo", splits),
        Corpus("title_ug", Kind.PAIR, "ug", "ug", untested),
        Corpus("kk", Kind.MONO, "kk", "kk", splits),
        Corpus("zh-kk", Kind.PAIR, "zh", "kk", splits),
    ]
    monkeypatch.setattr(check_start, "find_corpora", lambda _: corpora)
    return tmp_path


def test_languages_with_pairs_pass(directory):
    check_start.main(["--langs", "bo", "--pairs", str(directory)])
    check_start.main(["--langs", "ug", "kk"])


@pytest.mark.parametrize(
    ("lang", "message"), [("ug", "no test pairs in ug, only in bo; "), ("kk", "no valid pairs in kk, only in bo, ug; ")]
)
def test_a_language_without_test_pairs_is_refused_before_training(directory, lang, message):
    with pytest.raises(InputError, match=message):
        check_start.main(["--langs", "bo", lang, "--pairs", str(directory)])
