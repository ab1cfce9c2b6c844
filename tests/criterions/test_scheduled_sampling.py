import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from swcm_fairseq.criterions.scheduled_sampling import (
    Prediction,
    batch_key,
    draw_positions,
    mix_inputs,
    predict,
    replaceable_positions,
    seeded_generator,
)
from tests.criterions.criterion_support import Task, make_batch

CPU = torch.device("cpu")
NONE = torch.tensor([], dtype=torch.long)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=6), st.floats(0, 1), st.integers(0, 2**31))
def test_only_words_are_replaced_whatever_the_lengths(lengths, ratio, seed):
    task = Task()
    sample = make_batch(task, lengths)
    tokens = sample["net_input"]["prev_output_tokens"]
    replaceable = replaceable_positions(tokens, sample["target"], task.target_dictionary.pad())
    assert replaceable.tolist() == [[2 <= t < 2 + n for t in range(tokens.size(1))] for n in lengths]
    drawn = draw_positions(replaceable, ratio, seeded_generator(CPU, seed))
    mixed = mix_inputs(tokens, drawn, torch.arange(100, 100 + int(drawn.sum())))
    assert not (drawn & ~replaceable).any()
    assert torch.equal(mixed[~drawn], tokens[~drawn])
    assert mixed[drawn].tolist() == list(range(100, 100 + int(drawn.sum())))


@pytest.mark.parametrize("ratio", [0.0, 0.1, 0.5, 0.9, 1.0])
def test_replaced_share(ratio):
    replaceable = torch.ones(20, 50, dtype=torch.bool)
    drawn = sum(
        int(draw_positions(replaceable, ratio, seeded_generator(CPU, *batch_key(1, update, 0, NONE))).sum())
        for update in range(100)
    )
    assert drawn / 100_000 == pytest.approx(1 - ratio, abs=4 * (ratio * (1 - ratio) / 100_000) ** 0.5)


def test_choices_depend_only_on_seed_update_rank_and_samples():
    def draw(*key):
        torch.rand(3)  # the global random state has no effect
        return draw_positions(torch.ones(4, 50, dtype=torch.bool), 0.5, seeded_generator(CPU, *batch_key(*key)))

    ids = torch.tensor([7, 3])
    first = draw(1, 10, 0, ids)
    assert torch.equal(first, draw(1, 10, 0, ids))
    for other in [(2, 10, 0, ids), (1, 11, 0, ids), (1, 10, 1, ids), (1, 10, 0, ids.flip(0))]:
        assert not torch.equal(first, draw(*other))


def words(prediction, chunk_rows=64, forbidden=NONE):
    """4,000 predictions from the probabilities 0.1, 0.2, 0.3 and 0.4."""
    features = torch.ones(4000, 1)
    weight = torch.tensor([0.1, 0.2, 0.3, 0.4]).log().unsqueeze(1)
    return predict(features, weight, forbidden, prediction, seeded_generator(CPU, 1), chunk_rows).bincount(minlength=4)


def test_argmax():
    assert words(Prediction()).tolist() == [0, 0, 0, 4000]
    assert words(Prediction(), forbidden=torch.tensor([3])).tolist() == [0, 0, 4000, 0]


@pytest.mark.parametrize(
    ("prediction", "expected"),
    [
        (Prediction(sample=True), [0.1, 0.2, 0.3, 0.4]),
        (Prediction(sample=True, temperature=0.5), [1 / 30, 4 / 30, 9 / 30, 16 / 30]),
        (Prediction(sample=True, topk=2), [0, 0, 3 / 7, 4 / 7]),
        (Prediction(sample=True, topk=2, temperature=0.5), [0, 0, 9 / 25, 16 / 25]),
        (Prediction(sample=True, topk=99), [0.1, 0.2, 0.3, 0.4]),
    ],
)
def test_sampling_follows_the_distribution(prediction, expected):
    counts = words(prediction)
    for count, share in zip(counts.tolist(), expected, strict=True):
        assert count == pytest.approx(4000 * share, abs=4 * (4000 * share * (1 - share)) ** 0.5)


def test_forbidden_words_are_not_sampled():
    assert words(Prediction(sample=True), forbidden=torch.tensor([0, 3]))[[0, 3]].sum() == 0


def test_chunks_do_not_change_the_argmax():
    torch.manual_seed(0)
    features, weight = torch.randn(31, 8), torch.randn(50, 8)
    expected = (features @ weight.t()).argmax(1)
    for rows in (1, 7, 31, 64):
        assert torch.equal(predict(features, weight, NONE, Prediction(), seeded_generator(CPU, 1), rows), expected)
