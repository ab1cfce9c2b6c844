"""The methods on examples small enough to compute by hand, and the selection of magnitudes."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import tensor

from swcm_fairseq.merge.magnitude_cuts import cuts
from swcm_fairseq.merge.merge_methods import disjoint_merge, elect, in_conflict, lost, weighted_average
from swcm_fairseq.merge.merge_recipe import make_recipe
from swcm_fairseq.merge.merge_sources import Source
from swcm_fairseq.merge.merging import Merge
from swcm_fairseq.merge.method_table import METHODS

BASE = tensor([1.0, 1.0, 1.0, 1.0, 1.0])
A = tensor([0.5, -0.4, 0.3, 0.0, 0.25])  # task vectors
B = tensor([-0.75, -0.2, 0.6, 0.5, -0.125])


def merge(method, a=A, b=B, base=BASE, **options):
    """The merged values minus the base, rounded, and the shares."""
    sources = [Source(None, {"w": base + each}) for each in (a, b)]  # type: ignore[arg-type]
    recipe = make_recipe(method, 2, base=None if method == "average" else "base", **options)
    found = Merge(sources, None if method == "average" else Source(None, {"w": base}), recipe)  # type: ignore[arg-type]
    [(_, result)] = found.tensors()
    return [round(value, 4) for value in (result - base).tolist()], found.shares


def test_pure_functions():
    assert weighted_average([A, B], [1, 3], True).tolist() == pytest.approx(((A + 3 * B) / 4).tolist())
    positive = elect([A, B])
    assert positive.tolist() == [False, False, True, True, True]
    assert lost(A, positive).tolist() == [True, False, False, False, False]
    assert lost(B, positive).tolist() == [False, False, False, False, True]
    assert in_conflict([A, B]).tolist() == [True, False, False, False, True]
    assert disjoint_merge([A, B], [1, 1], positive, True).tolist() == pytest.approx([-0.75, -0.3, 0.45, 0.5, 0.25])


@pytest.mark.parametrize(
    ("method", "options", "expected"),
    [
        ("average", {"weights": [1, 1]}, [-0.125, -0.3, 0.45, 0.25, 0.0625]),
        ("average", {"weights": [3, 1]}, [0.1875, -0.35, 0.375, 0.125, 0.1562]),
        ("task-arithmetic", {}, [-0.25, -0.6, 0.9, 0.5, 0.125]),
        ("task-arithmetic", {"normalize": True, "scale": 2}, [-0.25, -0.6, 0.9, 0.5, 0.125]),
        ("task-arithmetic", {"weights": [1, -1]}, [1.25, -0.2, -0.3, -0.5, 0.375]),  # subtracts what b has learned
        ("ties", {"densities": [1]}, [-0.75, -0.3, 0.45, 0.5, 0.25]),
        ("ties", {"densities": [0.4, 1]}, [-0.75, -0.3, 0.6, 0.5, -0.125]),  # a keeps 0.5 and -0.4
        ("ties", {"densities": [1], "scale": 0.5}, [-0.375, -0.15, 0.225, 0.25, 0.125]),
        ("ties", {"densities": [1], "normalize": False}, [-0.75, -0.6, 0.9, 0.5, 0.25]),
        ("ties", {"densities": [1], "weights": [2, 1]}, [0.5, -0.3333, 0.4, 0.5, 0.25]),  # now a wins the first
        ("ties-sv", {"densities": [1], "slack": 1}, [0.5, -0.3, 0.45, 0.5, 0.25]),
        ("ties-sv", {"densities": [1], "slack": 0}, [-0.75, -0.3, 0.45, 0.5, 0.25]),
        ("dare", {"densities": [1]}, [-0.25, -0.6, 0.9, 0.5, 0.125]),
        ("dare-ties", {"densities": [1]}, [-0.75, -0.6, 0.9, 0.5, 0.25]),
    ],
)
def test_methods_by_hand(method, options, expected):
    assert merge(method, **options)[0] == expected


def test_shares_are_those_of_the_papers_figure():
    shares = merge("ties", densities=[0.4, 1])[1]
    # Trimmed: 3 of 5. Of the two values that a keeps, 0.5 conflicts with -0.75 and loses; b keeps all five.
    assert shares[0].percent() == {
        "trimmed": pytest.approx(60), "in conflict": 50, "lost at the election": 50, "kept by slack": 0,
    }  # fmt: skip
    assert shares[1].percent() == {
        "trimmed": 0, "in conflict": 20, "lost at the election": 0, "kept by slack": 0,
    }  # fmt: skip


def test_slack_keeps_the_narrowest_losses():
    a, b = tensor([0.1, 0.2, 0.3, 0.4]), tensor([-0.9, -0.25, -0.6, -0.3])
    assert merge("ties", a, b, torch.zeros(4), densities=[1])[0] == [-0.9, -0.25, -0.6, 0.4]
    result, shares = merge("ties-sv", a, b, torch.zeros(4), densities=[1], slack=1 / 3)
    assert result == [-0.9, 0.2, -0.6, 0.4]  # the margins are 0.8, 0.05 and 0.3
    assert shares[0].percent()["lost at the election"] == 50 and shares[0].percent()["kept by slack"] == 25


@pytest.mark.parametrize("scope", ["tensor", "model"])
def test_scope_is_a_tensor_or_the_whole_model(scope):
    learned = {"large": tensor([4.0, 3.0, 2.0, 1.0]), "small": tensor([0.4, 0.3, 0.2, 0.1])}
    base = Source(None, {name: torch.zeros(4) for name in learned})
    recipe = make_recipe("ties", 2, base="base", densities=[0.5, 1], weights=[1, 1], scope=scope)
    nothing = Source(None, dict(base.tensors))
    found = dict(Merge([Source(None, learned), nothing], base, recipe).tensors())
    assert torch.count_nonzero(found["large"]) == (2 if scope == "tensor" else 4)
    assert torch.count_nonzero(found["small"]) == (2 if scope == "tensor" else 0)


def test_slack_over_the_whole_model():
    a = {"one": tensor([0.1, 0.5]), "two": tensor([0.3, 0.4])}
    b = {"one": tensor([-0.9, -0.6]), "two": tensor([-0.5, -0.75])}
    sources = [Source(None, each) for each in (a, b, {name: torch.zeros(2) for name in a})]
    recipe = make_recipe("ties-sv", 2, base="base", densities=[1], slack=0.5, scope="model")
    found = dict(Merge(sources[:2], sources[2], recipe).tensors())
    # margins: 0.8, 0.1, 0.2, 0.35
    assert found["one"].tolist() == pytest.approx([-0.9, 0.5]) and found["two"].tolist() == pytest.approx([0.3, -0.75])


def test_dare_keeps_the_expectation_and_draws_by_seed():
    base, learned = torch.zeros(20_000), torch.ones(20_000)
    drawn = [merge("dare", learned, 0 * learned, base, densities=[0.1, 1], seed=seed)[0] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert set(drawn[0]) == {0.0, 10.0} and sum(drawn[0]) / 20_000 == pytest.approx(1, abs=0.1)


def test_tied_tensors_are_drawn_and_counted_once():
    shared = torch.randn(100)
    state = {"embed": shared, "output": shared.clone(), "other": torch.randn(100), "version": tensor(3)}
    learned = {name: value if name == "version" else value + 1 for name, value in state.items()}
    found = Merge(
        [Source(None, learned), Source(None, state)], Source(None, state), make_recipe("dare", 2, base="base")
    )
    result = dict(found.tensors())
    assert found.owners == {"embed": "embed", "output": "embed", "other": "other"}
    assert list(result) == ["embed", "other", "version"] and found.shares[0].parameters == 200


def test_the_first_models_dtype_is_kept():
    sources = [Source(None, {"w": (BASE + each).half()}) for each in (A, B)]
    [(_, result)] = Merge(sources, None, make_recipe("average", 2, base=None)).tensors()
    assert result.dtype == torch.float16


magnitudes = st.lists(
    st.lists(st.sampled_from([0.0, 1e-30, 0.25, 0.5, 0.50000006, 3.0]) | st.floats(0, 2.0**100, width=32), max_size=20),
    min_size=1,
    max_size=4,
)


@settings(deadline=None, max_examples=150)
@given(magnitudes, st.floats(0, 1), st.booleans())
def test_selection_is_that_of_sorting(values, share, largest):
    tensors = {str(i): tensor(each, dtype=torch.float32) for i, each in enumerate(values)}
    everything = torch.cat(list(tensors.values()))
    number = int(share * len(everything))
    found = cuts(list(tensors), tensors.__getitem__, number, largest)
    taken = torch.cat([cut.take(tensors[name]) for name, cut in found.items()])
    order = everything.argsort(descending=largest, stable=True)
    expected = torch.zeros(len(everything), dtype=torch.bool)
    expected[order[:number]] = True
    assert torch.equal(taken, expected)


def test_every_method_is_in_the_help(capsys):
    from swcm_fairseq.merge.__main__ import build_parser

    with pytest.raises(SystemExit):
        build_parser().parse_args(["--help"])
    out = capsys.readouterr().out
    assert all(f"\n  {name} " in out for name in METHODS)
