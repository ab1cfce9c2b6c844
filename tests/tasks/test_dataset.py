"""The stream of samples is exact and counted, and loses nothing."""

from multiprocessing import active_children

import numpy as np
import pytest
import torch

from swcm_fairseq.data.corpus_sampling import SamplingBy, Temperature
from swcm_fairseq.data.mixed_dataset import padding_shares
from swcm_fairseq.data.multilingual_dataset import MultilingualDataset
from tests.tasks.task_data import fill, random_texts, write_dictionary, write_indexed


def iterator(task, split="train", epoch=1, **options):
    options = {"max_sentences": 8, "seed": 1, **options}
    return task.get_batch_iterator(task.dataset(split), epoch=epoch, **options).next_epoch_itr()


def as_lists(batch) -> list:
    net = batch["net_input"]
    return [batch["id"].tolist(), net["src_tokens"].tolist(), net["prev_output_tokens"].tolist()]


@pytest.fixture()
def train(make_task):
    def load(**options):
        task = make_task(**options)
        task.load_dataset("train", epoch=1, combine=True)
        return task

    return load


@pytest.mark.parametrize("workers", [1, 4])
def test_workers_change_nothing(train, workers):
    """Also over several epochs, because the workers see the new epoch."""
    plain, parallel = train(), train()
    before = len(active_children())
    for epoch in (1, 2):
        expected = [as_lists(batch) for batch in iterator(plain, epoch=epoch)]
        np.random.seed(epoch)  # the global random state has no effect
        torch.manual_seed(7 * epoch)
        found = [as_lists(batch) for batch in iterator(parallel, epoch=epoch, num_workers=workers)]
        assert found == expected
        assert len(active_children()) == before + workers  # the workers of the previous epoch have ended
    iterator(parallel, epoch=3)
    assert len(active_children()) == before


def test_a_reused_iterator_knows_its_epoch(train):
    """fairseq reuses the iterator of a dataset whose batches are the same in every epoch."""
    task = train()
    task.load_dataset("valid", epoch=1)
    task.datasets["train"] = task.datasets["valid"]
    for epoch in (1, 2, 3):
        batches = task.get_batch_iterator(task.dataset("train"), max_sentences=4, seed=1, epoch=epoch)
        assert batches is task.train_iterator and batches.next_epoch_idx == epoch
        assert len(list(batches.next_epoch_itr())) == len(batches)


def test_sample_is_a_function_of_seed_epoch_and_index(train):
    dataset: MultilingualDataset = train().dataset("train")
    dataset.set_epoch(3)
    late = [dataset[i]["source"].tolist() for i in (7, 3, 7)]
    assert late[0] == late[2]
    dataset.set_epoch(1)
    first = dataset[7]["source"].tolist()
    dataset.set_epoch(3)
    assert dataset[7]["source"].tolist() == late[0] != first
    assert train(seed=2).dataset("train")[7]["source"].tolist() != first


def test_resume_in_mid_epoch(train):
    straight, resumed = train(), train()
    whole = straight.get_batch_iterator(straight.dataset("train"), max_sentences=8, seed=1, epoch=2)
    batches = whole.next_epoch_itr()
    seen = [as_lists(next(batches)) for _ in range(5)]
    state = whole.state_dict()
    rest = [as_lists(batch) for batch in batches]
    again = resumed.get_batch_iterator(resumed.dataset("train"), max_sentences=8, seed=1, epoch=state["epoch"])
    again.load_state_dict(state)
    assert [as_lists(batch) for batch in again.next_epoch_itr()] == rest
    assert len(seen) + len(rest) == len(again)


def test_validation_noise_is_fixed_for_good(make_task):
    task = make_task()
    task.load_dataset("valid", epoch=1)
    dataset = task.dataset("valid")
    first = [dataset[i]["source"].tolist() for i in range(len(dataset))]
    dataset.set_epoch(9)
    assert [dataset[i]["source"].tolist() for i in range(len(dataset))] == first
    assert any(task.dictionary.index("<mask>") in source for source in first)
    other = make_task(seed=2, corpora="zh")  # another run on other corpora
    other.load_dataset("valid", epoch=1)
    assert [other.dataset("valid")[i]["source"].tolist() for i in range(6)] == first[6:12]


def test_counts_by_hand(train):
    """nsentences, ntokens and the sums of every group, over an epoch."""
    task = train()
    dataset = task.dataset("train")
    expected = {name: [0, 0] for name in task.group_names}
    for i in range(len(dataset)):
        name = dataset.streams[dataset.stream_of[i]].group
        expected[name][0] += 1
        expected[name][1] += len(dataset.streams[dataset.stream_of[i]].body(int(dataset.index_of[i]))[1]) + 1
    found = {name: [0, 0] for name in task.group_names}
    sentences = tokens = 0
    for batch in iterator(task):
        sentences += batch["nsentences"]
        tokens += batch["ntokens"]
        counted = batch["target"].ne(task.dictionary.pad()).sum(dim=1)
        for group, n in zip(batch["group"].tolist(), counted.tolist(), strict=True):
            found[task.group_names[group]][0] += 1
            found[task.group_names[group]][1] += n
    assert found == expected
    assert [sentences, tokens] == np.sum(list(expected.values()), axis=0).tolist()


@pytest.mark.parametrize("beta", [0.0, 0.7])
@pytest.mark.parametrize("by", ["language", "corpus"])
def test_sampling_frequencies(train, by, beta):
    """Over 10,000 samples, corpus frequencies follow p: chi-square is far below its 4 degrees of freedom."""
    dataset = train(samples_per_epoch=10_000, sampling_by=by, sampling_beta=beta).dataset("train")
    streams = dataset.streams
    p = Temperature(0.3, beta, SamplingBy[by]).probabilities(
        [len(stream) for stream in streams],
        [stream.tokens for stream in streams],
        [stream.target_lang for stream in streams],
    )
    observed = np.bincount(dataset.stream_of, minlength=5)
    assert ((observed - p * 10_000) ** 2 / (p * 10_000)).sum() < 4


def test_many_passes_over_a_corpus_are_reported(train, caplog):
    train(sampling_by="corpus", samples_per_epoch=3000)  # 40 texts in bo, 80 in zh, 120 pairs, 160 pairs in bo
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [line.split(":")[0] for line in warnings] == ["dae_bo"]
    assert "dae_bo: an epoch repeats its 40 samples 11.5 times; draw it less often with" in warnings[0]


@pytest.mark.parametrize(("share", "groups"), [(0.0, {"dae"}), (1.0, {"mt"}), (0.5, {"dae", "mt"})])
def test_objectives(train, share, groups):
    dataset = train(translation_share=share, samples_per_epoch=1000).dataset("train")
    assert {stream.group.split("_")[0] for stream in dataset.streams} == groups
    translated = np.array([stream.translation for stream in dataset.streams])[dataset.stream_of]
    assert translated.mean() == pytest.approx(share, abs=0.002)


def test_share_of_a_language(train):
    dataset = train(corpora="bo,zh", language_share="zh=0.25", samples_per_epoch=1000).dataset("train")
    chinese = np.array([stream.target_lang == "zh" for stream in dataset.streams])[dataset.stream_of]
    assert chinese.mean() == 0.25


@pytest.mark.parametrize("size", [{"max_sentences": 7}, {"max_tokens": 100, "max_sentences": None}])
@pytest.mark.parametrize("multiple", [1, 8])
def test_no_sample_is_lost(train, size, multiple):
    task = train(tokens_per_sample=30)
    seen, lengths = [], []
    for batch in iterator(task, required_batch_size_multiple=multiple, **size):
        seen += batch["id"].tolist()
        lengths.append(batch["net_input"]["src_tokens"].numel())
        lengths.append((batch["net_input"]["prev_output_tokens"].size(1) + 1) * len(batch["id"]))
    assert sorted(seen) == list(range(len(task.dataset("train"))))
    assert "max_tokens" not in size or max(lengths) <= 100


@pytest.mark.parametrize("by", ["language", "corpus"])
def test_homogeneous_batches(train, by):
    task = train(group_batches_by=by)
    kinds = []
    for batch in iterator(task):
        key = "tgt_lang_id" if by == "language" else "group"
        assert len(set(batch[key].tolist())) == 1
        kinds.append(batch[key][0].item())
    assert len(set(kinds)) == {"language": 2, "corpus": 5}[by]
    assert kinds != sorted(kinds)  # shuffled


@pytest.mark.parametrize("documents", ["blocks", "truncate"])
def test_lengths_and_truncation(make_task, tmp_path, caplog, documents):
    fill(tmp_path, longest=60)
    caplog.set_level("INFO")
    task = make_task(tmp_path, tokens_per_sample=16, long_documents=documents, insert=0.5)
    task.load_dataset("train", epoch=1)
    dataset = task.dataset("train")
    assert dataset.sizes.max() == 16
    for i in range(0, len(dataset), 7):
        sample = dataset[i]
        assert len(sample["source"]) <= dataset.sizes[i, 0] and len(sample["target"]) == dataset.sizes[i, 1]
    texts = random_texts(40, 60, seed=0)
    long = sum(len(text) > 13 for text in texts)
    lost = sum(max(len(text) - 13, 0) for text in texts)
    blocks = len(next(s for s in dataset.streams if s.group == "dae_bo"))
    fate = f"{lost:,} of their tokens are left out" if documents == "truncate" else f"into blocks, {blocks:,} texts"
    line = next(m for m in caplog.messages if m.startswith("train dae_bo:"))
    assert f"{long} of 40 texts are longer than 13 tokens" in line and fate in line
    assert any(m.startswith("train mt_zh-bo source:") and "left out" in m for m in caplog.messages)


def test_table_at_the_start(train, caplog):
    caplog.set_level("INFO")
    train(samples_per_epoch=1000)
    start = next(k for k, line in enumerate(caplog.messages) if line.startswith("--sampling-by"))
    drawn = "target languages are drawn by q^0.3, q in samples; corpora of one language in proportion to their samples"
    assert caplog.messages[start] == f"--sampling-by language: {drawn}; 74.7% of the samples are pairs"
    lines = caplog.messages[start + 1 : start + 8]
    assert lines[0].split() == ["corpus", "samples", "tokens", "q", "p", "samples/epoch", "passes/epoch"]
    row = dict(zip(lines[0].split(), next(x for x in lines if x.startswith("dae_bo")).split(), strict=True))
    assert row["samples"] == "40" and row["q"] == "0.0769" and row["p"] == "0.0669"
    assert row["samples/epoch"] == "67" and row["passes/epoch"] == "1.675"
    assert lines[-1].split()[5] == "1,000"


def test_a_shard_an_epoch(make_task, tmp_path):
    places = [fill(tmp_path / name, train=n) for name, n in (("a", 10), ("b", 20))]
    task = make_task(":".join(map(str, places)))
    sizes = []
    for epoch in (1, 2, 3):
        task.load_dataset("train", epoch=epoch, combine=True)
        sizes.append(len(task.dataset("train")))
    assert sizes == [130, 260, 130]
    assert task.has_sharded_data("train")


def test_stock_parts_are_combined(make_task, tmp_path):
    write_dictionary(tmp_path / "dict.zh.txt")
    write_dictionary(tmp_path / "dict.bo.txt")
    for part, number in (("train", 10), ("train1", 5), ("valid", 3)):
        for lang in ("zh", "bo"):
            write_indexed(tmp_path / f"{part}.zh-bo.{lang}", random_texts(number, 9, seed=number))
        write_indexed(tmp_path / f"bo/{part}", random_texts(number, 9, seed=number))
    task = make_task(tmp_path)
    task.load_dataset("train", combine=True, epoch=1)
    assert [len(stream) for stream in task.dataset("train").streams] == [15, 15, 15]
    task.load_dataset("train", combine=False, epoch=1)
    assert [len(stream) for stream in task.dataset("train").streams] == [10, 10, 10]


def test_the_words_of_a_language_are_the_counted_ones(make_task, tmp_path):
    from swcm_fairseq.data.corpora import Corpora, pack_counts

    fill(tmp_path)
    recorded = Corpora.read(tmp_path)
    counts = np.zeros(recorded.vocabulary_size, dtype=np.int64)
    counts[[5, 9]] = 3
    recorded.corpora[0].splits["train"].source_pieces = pack_counts(counts)
    recorded.write(tmp_path)
    task = make_task(tmp_path)
    assert task.language_vocabulary(task.dictionary.index("<bo>")).tolist() == [5, 9]
    assert task.language_vocabulary(task.dictionary.index("<zh>")) is None


def test_batches_have_like_targets_and_like_sources(make_task):
    """Buckets of eight target positions, sorted by expected source length within; the same order in every process."""
    dataset = make_task(samples_per_epoch=400)
    dataset.load_dataset("train")
    dataset = dataset.dataset("train")
    order = dataset.ordered_indices()
    buckets, sources = dataset.sizes[order, 1] // 8, dataset.expected_sources[order]
    assert sorted(order.tolist()) == list(range(400))
    up = 1 - 2 * (buckets[1:] % 2)  # alternating directions
    assert (np.diff(buckets) >= 0).all() and (up * np.diff(sources))[np.diff(buckets) == 0].min() >= 0
    assert np.array_equal(order, dataset.ordered_indices())
    dataset.set_epoch(2)
    assert not np.array_equal(order, dataset.ordered_indices())
    dataset.set_epoch(1)
    assert np.array_equal(order, dataset.ordered_indices())


def test_expected_sources_are_those_that_come(make_task):
    dataset = make_task(samples_per_epoch=400)
    dataset.load_dataset("train")
    dataset = dataset.dataset("train")
    made = np.array([len(dataset[i]["source"]) for i in range(400)])
    pairs = np.array([stream.translation for stream in dataset.streams])[dataset.stream_of]
    assert np.array_equal(made[pairs], dataset.expected_sources[pairs])
    assert made[~pairs].mean() == pytest.approx(dataset.expected_sources[~pairs].mean(), rel=0.1)


def test_padding_shares():
    sizes = np.array([[4, 2], [2, 2], [3, 1], [1, 1]])
    assert padding_shares(sizes, [[0, 1], [2, 3]]) == (4 / 14, 0.0)
    assert padding_shares(sizes, [np.array([0, 3]), [1], [2]]) == pytest.approx((3 / 13, 1 / 7))
    assert padding_shares(sizes, []) == (0.0, 0.0)
