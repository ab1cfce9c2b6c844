"""The pieces of a language, as counted in corpora.json."""

import numpy as np

from swcm_fairseq.data.corpora import Corpora, pack_counts
from swcm_fairseq.data.languages import language_token
from tests.tasks.task_data import PIECES, fill


def test_the_counts_of_all_corpora_of_a_language(tmp_path, make_task):
    directory = fill(tmp_path / "counted")
    corpora = Corpora.read(directory)
    size = len(PIECES) + 4
    used = {"bo": [5, 9], "zh-bo": [7], "ti_sum": [9, 12]}
    for corpus in corpora.corpora:
        split = corpus.splits["train"]
        own = np.isin(np.arange(size), used.get(corpus.name, []))
        split.source_pieces = pack_counts(own if corpus.source_lang == "bo" else np.arange(size) == 20)
        if split.target is not None:
            split.target_pieces = pack_counts(own)
    corpora.write(directory)
    task = make_task(directory)
    tokens = {lang: task.dictionary.index(language_token(lang)) for lang in ("bo", "zh", "kk")}
    assert task.language_vocabulary(tokens["bo"]).tolist() == [5, 7, 9, 12]
    assert task.language_vocabulary(tokens["zh"]).tolist() == [20]
    assert task.language_vocabulary(tokens["kk"]) is None


def test_a_directory_without_counts(make_task):
    task = make_task()
    assert task.language_vocabulary(task.dictionary.index("<bo>")) is None


def test_a_stock_directory(tmp_path, make_task):
    directory = fill(tmp_path / "stock")
    (directory / "corpora.json").unlink()
    task = make_task(directory)
    assert task.language_vocabulary(task.dictionary.index("<bo>")) is None
