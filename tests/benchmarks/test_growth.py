"""Growth exponents, and a run that varies only the layers."""

import growth
import pytest


@pytest.mark.parametrize("power", [0.0, 1.0, 2.5])
def test_exponent_of_a_power(power):
    sizes = [64, 128, 300]
    assert growth.exponent(sizes, [3 * size**power for size in sizes]) == pytest.approx(power, abs=1e-9)


def test_the_report(run, tmp_path):
    size = "--arch xlm_swcm_tiny --encoder-layers 2 --vocabulary 100 --sentences 1 --tokens 8 --steps 1".split()
    content = run(growth, *size, "--vary", "normal_layer_interval")
    assert content["raw"]["curves"]["normal_layer_interval"]["size"] == [4, 3]  # decoder layers at X = 1 and 2
    (row,) = content["rows"]
    assert row[1] == "1, 2"
    assert len(list((tmp_path / "results").glob("growth_*.png"))) == 1
