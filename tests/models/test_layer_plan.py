import pytest
from hypothesis import given
from hypothesis import strategies as st

from swcm_fairseq.errors import InputError
from swcm_fairseq.models.layer_plan import LayerKind, describe, layer_plan


def test_paper_layout():
    plan = layer_plan(12, 3)
    assert len(plan) == 16
    assert describe(layer_plan(4, 3)) == "5 decoder layers: inherit 0, inherit 1, inherit 2, normal, inherit 3"


def test_released_layout_has_no_layer_after_the_last_group():
    plan = layer_plan(12, 3, end_with_inherited=True)
    assert len(plan) == 15
    assert plan[-1].kind is LayerKind.INHERITED


def test_duplicates_start_from_the_layer_before():
    plan = layer_plan(4, 2, duplicate_inserted=True)
    assert [str(layer) for layer in plan] == [
        "inherit 0",
        "inherit 1",
        "duplicate 1",
        "inherit 2",
        "inherit 3",
        "duplicate 3",
    ]


def test_plain_decoder_has_normal_layers_only():
    assert [str(layer) for layer in layer_plan(3, 3, plain=True)] == ["normal"] * 3


@given(st.integers(1, 30).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_length_and_order(sizes):
    n, interval = sizes
    plan = layer_plan(n, interval)
    assert len(plan) == n + (n // interval if interval else 0)
    assert [layer.encoder_layer for layer in plan if layer.kind is LayerKind.INHERITED] == list(range(n))
    inserted = [i for i, layer in enumerate(plan) if layer.kind is LayerKind.NORMAL]
    assert inserted == [k * (interval + 1) + interval for k in range(len(inserted))]


@pytest.mark.parametrize("interval", [-1, 5])
def test_interval_out_of_range_is_one_line(interval):
    with pytest.raises(InputError, match=r"--normal-layer-interval .* from 0 .* to 4"):
        layer_plan(4, interval)
