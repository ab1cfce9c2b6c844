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


def test_unknown_language_is_one_line(make_task):
    with pytest.raises(InputError, match="'fr' is not one of the languages"):
        make_task(target_lang="fr").load_dataset("train", epoch=1)
    with pytest.raises(InputError, match="'fr' is not one of the languages"):
        make_task(target_lang="fr").build_generator([], Namespace())
