"""The criterion benchmark: both criterions have the same loss, and inputs are replaced as reported."""

import criterion
import pytest


def test_the_report(run):
    size = "--arch xlm_swcm_tiny --encoder-layers 3 --vocabulary 200 --sentences 2 --tokens 8 --rounds 1 --dropout 0"
    content = run(criterion, *size.split())
    turns = {name: turn for name, (turn,) in content["raw"].items()}
    assert turns.keys() == criterion.VARIANTS.keys()
    assert turns[criterion.OURS]["loss"] == pytest.approx(turns[criterion.STOCK]["loss"], rel=1e-5)
    replaced = [turn["replaced"] for turn in turns.values()]
    assert replaced[:2] == [0, 0] and 0 < replaced[2] < replaced[3] == 2 * 6  # all but <s> and the language token
    assert [ratio["name"] for ratio in content["ratios"][:2]] == ["peak MiB, ours / stock", "tokens/s, ours / stock"]
