"""The benchmark of masked language modeling: three variants, whose losses differ only by their vocabulary."""

import masked_lm


def test_the_report(run):
    size = "--layers 1 --width 64 --unpruned 200 --vocabulary 100 --language 40 --sentences 2 --tokens 8 --rounds 1"
    content = run(masked_lm, *size.split())
    turns = {name: turn for name, (turn,) in content["raw"].items()}
    assert list(turns) == [masked_lm.WHOLE, masked_lm.PRUNED, masked_lm.FAST]
    assert turns[masked_lm.FAST]["parameters"] == turns[masked_lm.PRUNED]["parameters"]
    losses = [turn["loss"] for turn in turns.values()]
    assert losses[0] > losses[1] > losses[2]  # fewer words to choose from
    assert len(content["ratios"]) == 2
