"""One and two processes give the gradients of the stock criterion, with one and with four batches per update."""

from contextlib import nullcontext

import pytest
import torch
import torch.distributed as dist
from fairseq.criterions.label_smoothed_cross_entropy import LabelSmoothedCrossEntropyCriterion
from fairseq.distributed import ModuleProxyWrapper
from torch.distributed.algorithms.ddp_comm_hooks.default_hooks import allreduce_hook
from torch.multiprocessing import spawn
from torch.nn.parallel import DistributedDataParallel

from tests.criterions.criterion_support import Task, assert_close, build_criterion, build_model, gradients, make_batch

LENGTHS = [[5, 2], [9], [1, 1, 3], [4, 4], [7, 1], [2, 8], [6], [3, 5]]


def batches(task, count):
    return [make_batch(task, LENGTHS[i], seed=i, first_id=10 * i) for i in range(count)]


def build(task, tied, updates):
    model = build_model(task, tied).train()
    model.set_num_updates(updates)
    return model


def wrap(model, find_unused):
    """Wrap a model like fairseq's DistributedFairseqModel, whose device_ids torch refuses on a CPU."""
    return ModuleProxyWrapper(DistributedDataParallel(model, find_unused_parameters=find_unused))


def compare(rank, world, tied, smoothing, update_freq, find_unused):
    """Check that the gradients of ``world`` processes equal those of one process with all batches."""
    task = Task()
    everything = batches(task, world * update_freq)
    own = everything[rank::world]
    for updates in (0, 100):  # teacher forcing, then every word replaced
        model = build(task, tied, updates)
        criterion = build_criterion(task, label_smoothing=smoothing, teacher_forcing_final_ratio=0.0)
        expected = gradients(model, criterion, *everything)
        if updates == 0:
            stock = LabelSmoothedCrossEntropyCriterion(task, False, smoothing)
            assert_close(expected[3], gradients(model, stock, *everything)[3])
        wrapped = wrap(build(task, tied, updates), find_unused)
        for i, sample in enumerate(own):
            with wrapped.module.no_sync() if i < update_freq - 1 else nullcontext():
                loss, _, log = criterion(wrapped, sample)
                loss.backward()
        assert log["replaced"] == (log["replaceable"] if updates else 0)
        found = {name: p.grad * world for name, p in wrapped.module.module.named_parameters() if p.grad is not None}
        assert_close(found, expected[3])


def check_reductions(rank, world):
    """Check that the tied embedding's gradient is reduced once, and that gradients as bucket views are the same."""
    task = Task()
    everything = batches(task, world)
    model = build(task, True, 0)
    criterion = build_criterion(task, label_smoothing=0.1)
    expected = gradients(model, criterion, *everything)[3]
    for views in (False, True):
        wrapped = DistributedDataParallel(build(task, True, 0), gradient_as_bucket_view=views)
        reduced = []

        def hook(group, bucket, reduced=reduced):
            reduced.extend(id(parameter) for parameter in bucket.parameters())
            return allreduce_hook(group, bucket)

        wrapped.register_comm_hook(None, hook)
        proxy = ModuleProxyWrapper(wrapped)
        for _ in range(2):  # the buckets are rebuilt after the first step
            for parameter in wrapped.parameters():
                parameter.grad = None  # like fairseq's optimizer
            reduced.clear()
            criterion(proxy, everything[rank])[0].backward()
            table = wrapped.module.decoder.embed_tokens.weight
            assert table is wrapped.module.decoder.output_projection.weight and reduced.count(id(table)) == 1
            assert len(reduced) == len(set(reduced)) == len(list(wrapped.parameters()))
            assert_close({name: p.grad * world for name, p in wrapped.module.named_parameters()}, expected)


def worker(rank, world, address):
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{address}", rank=rank, world_size=world)
    for tied in (True, False):
        for smoothing in (0.0, 0.1):
            for update_freq in (1, 4):
                compare(rank, world, tied, smoothing, update_freq, find_unused=tied)
    check_reductions(rank, world)
    dist.destroy_process_group()


def test_two_processes(tmp_path):
    spawn(worker, (2, tmp_path / "store"), nprocs=2)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_update_freq_in_one_process(tied, smoothing):
    task = Task()
    model = build_model(task, tied)
    ours = gradients(model, build_criterion(task, label_smoothing=smoothing), *batches(task, 4))
    stock = gradients(model, LabelSmoothedCrossEntropyCriterion(task, False, smoothing), *batches(task, 4))
    torch.testing.assert_close(ours[0], stock[0], rtol=1e-5, atol=0)
    assert_close(ours[3], stock[3])
