from argparse import Namespace

import numpy as np
import pytest
import torch

from swcm_fairseq.errors import InputError


def batches(task, split="train", epoch=1, **options):
    options = {"max_sentences": 8, "seed": 1, **options}
    iterator = task.get_batch_iterator(task.dataset(split), epoch=epoch, **options)
    return list(iterator.next_epoch_itr(shuffle=False))


def test_groups_in_both_directions_but_summaries_in_one(make_task):
    assert make_task().group_names == ["dae_bo", "dae_zh", "mt_zh-bo", "mt_bo-zh", "mt_ti_sum"]


def test_batch_follows_the_contract(make_task):
    task = make_task()
    task.load_dataset("valid", epoch=1)
    d = task.dictionary
    seen = 0
    for batch in batches(task, "valid"):
        net, target = batch["net_input"], batch["target"]
        prev = net["prev_output_tokens"]
        assert prev.shape == target.shape
        assert (prev[:, 0] == d.bos()).all() and (net["src_tokens"][:, 0] == d.bos()).all()
        assert (prev[:, 1] == batch["tgt_lang_id"]).all()
        assert (target[:, 0] == d.pad()).all()
        assert batch["ntokens"] == int((target != d.pad()).sum())
        assert batch["nsentences"] == len(batch["id"])
        for row in range(len(batch["id"])):
            length = int((prev[row] != d.pad()).sum())
            assert torch.equal(target[row, 1 : length - 1], prev[row, 2:length])
            assert target[row, length - 1] == d.eos()
            source = net["src_tokens"][row, : net["src_lengths"][row]]
            assert source[-1] == d.eos() and (source != d.pad()).all()
            assert (net["src_tokens"][row, net["src_lengths"][row] :] == d.pad()).all()
        seen += batch["nsentences"]
    assert seen == len(task.dataset("valid")) == 6 * 5


def test_resampled_epochs_differ_and_repeat(make_task):
    first, second = make_task(), make_task()
    for task in (first, second):
        task.load_dataset("train", epoch=1)
    for epoch in (1, 2):
        for a, b in zip(batches(first, epoch=epoch), batches(second, epoch=epoch), strict=True):
            assert torch.equal(a["net_input"]["src_tokens"], b["net_input"]["src_tokens"])
    a, b = (np.concatenate([x["id"] for x in batches(first, epoch=e)]) for e in (1, 2))
    assert len(a) == len(b) == len(first.dataset("train")) and not np.array_equal(a, b)


def pairs_of(task, split="train"):
    task.load_dataset(split, epoch=1)
    (stream,) = task.dataset(split).streams
    bodies = (stream.body(i) for i in range(len(stream)))
    return {(tuple(source.tolist()), tuple(target.tolist())) for source, target in bodies}


def test_fewer_samples(make_task):
    whole, some, fewer = (pairs_of(make_task(corpora="ti_sum", train_samples=n)) for n in (None, 40, 10))
    assert fewer < some < whole
    assert (len(fewer), len(some), len(whole)) == (10, 40, 160)
    assert pairs_of(make_task(corpora="ti_sum", train_samples=40, seed=2)) == some
    assert len(pairs_of(make_task(corpora="ti_sum", train_samples=2), "valid")) == 6


def test_fewer_pairs_are_the_same_in_both_directions(make_task):
    there = pairs_of(make_task(corpora="mt_zh-bo", train_samples=20))
    back = pairs_of(make_task(corpora="mt_bo-zh", train_samples=20))
    assert {(target, source) for source, target in back} == there


@pytest.mark.parametrize("number", [0, -1, 161])
def test_more_samples_than_there_are(make_task, number):
    with pytest.raises(InputError, match=f"--train-samples {number}: ti_sum has 160 training samples"):
        make_task(corpora="ti_sum", train_samples=number).load_dataset("train", epoch=1)


def test_unknown_language_is_one_line(make_task):
    with pytest.raises(InputError, match="'fr' is not one of the languages"):
        make_task(target_lang="fr").load_dataset("train", epoch=1)
    with pytest.raises(InputError, match="'fr' is not one of the languages"):
        make_task(target_lang="fr").build_generator([], Namespace())
