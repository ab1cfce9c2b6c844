"""Validation by decoding."""

import numpy as np
import pytest
import torch

from swcm_fairseq.tasks.validation import EvalMetric, _batches, build_metric, chosen_samples, decode_and_score
from tests.tasks.test_language_generator import tiny_transformer


class Echo:
    """A generator that returns the references, or nothing, and counts its calls."""

    def __init__(self, right: bool, pad: int):
        self.right, self.pad, self.asked = right, pad, 0

    def generate(self, models, sample):
        self.asked += len(sample["id"])
        words = [row[row != self.pad] for row in sample.get("full_target", sample["target"])]
        return [[{"tokens": row if self.right else row[-1:]}] for row in words]


@pytest.mark.parametrize("metric", list(EvalMetric))
@pytest.mark.parametrize("right", [True, False])
def test_perfect_and_empty_hypotheses(make_task, metric, right):
    task = make_task(tokens_per_sample=10)  # references that are truncated for the loss are scored whole
    task.load_dataset("valid", epoch=1)
    echo = Echo(right, task.dictionary.pad())
    names = [name for name in task.group_names if name.startswith("mt_")]
    scores = decode_and_score(
        task.dataset("valid"), echo, tiny_transformer(task), metric, samples=4, batch_size=3,
        group_names=task.group_names,
    )  # fmt: skip
    assert list(scores) == [f"{name}_{metric.value}" for name in names] + [metric.value]
    assert echo.asked == 4 * len(names)
    if right:
        assert min(scores.values()) > (0 if metric is EvalMetric.bleu else 90)  # short references have few 4-grams
    else:
        assert max(scores.values()) == 0


def test_a_batch_has_one_target_language(make_task):
    """Restricted decoding needs this, but the data may have several."""
    task = make_task()
    task.load_dataset("valid", epoch=1)
    dataset = task.dataset("valid")
    chosen = chosen_samples(dataset, 4)
    batches = list(_batches(dataset, chosen, 5))
    for batch in batches:
        assert len({dataset.streams[k].target_lang for k in dataset.stream_of[batch]}) == 1
    assert sorted(np.concatenate(batches)) == sorted(chosen)
    assert max(map(len, batches)) == 5


def test_samples_are_capped_for_each_corpus(make_task):
    task = make_task()
    task.load_dataset("valid", epoch=1)
    dataset = task.dataset("valid")
    chosen = chosen_samples(dataset, 2)
    groups = [dataset.streams[k].group for k in dataset.stream_of[chosen]]
    assert {name: groups.count(name) for name in groups} == {"mt_zh-bo": 2, "mt_bo-zh": 2, "mt_ti_sum": 2}
    assert np.array_equal(chosen, chosen_samples(dataset, 2))


@pytest.mark.parametrize(
    ("metric", "lang", "expected"),
    [
        (EvalMetric.chrf, "bo", "nw:2"),
        (EvalMetric.bleu, "bo", "tok:char"),
        (EvalMetric.rouge_l, "bo", "tok:bo-syllable"),
        (EvalMetric.rouge_l, "za", "tok:word"),  # a language without a tokenizer
    ],
)
def test_scores_are_those_of_the_scoring_command(metric, lang, expected):
    built = build_metric(metric, lang)
    assert built.corpus_score(["ཀ་ཁ་ག་ང་"], [["ཀ་ཁ་ག་ང་"]]).score == pytest.approx(100)
    assert expected in built.get_signature().format()


def test_scores_are_logged_in_validation_only(make_task):
    from fairseq.logging import metrics

    task = make_task(eval_metric="rouge_l", eval_samples=2, eval_args="{'beam': 1, 'max_len_b': 5}")
    task.load_dataset("valid", epoch=1)
    task.begin_valid_epoch(1, tiny_transformer(task))
    log = [{"loss": 1.0, "nll_loss": 1.0, "ntokens": 2, "nsentences": 1, "sample_size": 2}]
    criterion = torch.nn.Module()
    criterion.__class__ = type("Criterion", (torch.nn.Module,), {"reduce_metrics": staticmethod(lambda logs: None)})
    for training in (True, False):
        criterion.train(training)
        with metrics.aggregate(new_root=True) as aggregator:
            task.reduce_metrics(log, criterion)
        assert ("rouge_l" in aggregator.get_smoothed_values()) == (not training)
    assert "mt_ti_sum_rouge_l" in aggregator.get_smoothed_values()
