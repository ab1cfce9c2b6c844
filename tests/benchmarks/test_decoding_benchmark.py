"""The decoding benchmark at tiny size: equal outputs, and a complete report."""

import argparse

import decoding
import pytest
import torch

from swcm_fairseq.errors import InputError

OPTIONS = argparse.Namespace(
    arch="xlm_swcm_tiny",
    encoder_layers=None,
    vocabulary=200,
    tokens=12,
    words=6,
    dropout=0.0,
    device="cpu",
    precision="fp32",
)


@pytest.mark.parametrize("beam", [1, 3])
@pytest.mark.parametrize("peer", [decoding.NO_CACHE, decoding.STOCK, decoding.HUGGINGFACE, decoding.STATIC])
def test_peers_give_the_same_outputs(peer, beam):
    if peer in (decoding.HUGGINGFACE, decoding.STATIC):
        pytest.importorskip("transformers", reason="the comparison needs transformers (pip install .[benchmarks])")
    ours = decoding.one_turn(decoding.OURS, OPTIONS, beam, batch=3)
    theirs = decoding.one_turn(peer, OPTIONS, beam, batch=3)
    assert ours["words"] == theirs["words"]
    assert {len(words) for words in ours["words"]} == {OPTIONS.words + 1}
    assert len(set(map(tuple, ours["words"]))) == 3, "all outputs are equal, so the test shows nothing"


def test_huggingface_model_has_our_logits():
    pytest.importorskip("transformers", reason="the comparison needs transformers (pip install .[benchmarks])")
    from huggingface_decoder import huggingface_model

    model = decoding.our_model(OPTIONS, decoding.models.make_task(OPTIONS.vocabulary))
    batch = decoding.models.make_batch(3, 12, OPTIONS.vocabulary, "cpu")["net_input"]
    batch["src_tokens"][0, 7:] = decoding.PAD
    with torch.no_grad():
        expected, _ = model(**batch)
        found = huggingface_model(model)(
            input_ids=batch["src_tokens"],
            attention_mask=batch["src_tokens"].ne(decoding.PAD),
            decoder_input_ids=batch["prev_output_tokens"],
        ).logits
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_ctranslate2_has_our_size_and_our_work(precision):
    pytest.importorskip("ctranslate2", reason="the comparison needs CTranslate2 (pip install ctranslate2)")
    from ctranslate2_decoder import same_size_transformer

    options = argparse.Namespace(**{**vars(OPTIONS), "precision": precision, "threads": 1})
    task = decoding.models.make_task(options.vocabulary)
    sizes = [
        sum(parameter.numel() for parameter in model.parameters())
        for model in (decoding.our_model(options, task), same_size_transformer(options, task))
    ]
    assert sizes[1] == pytest.approx(sizes[0], rel=0.005)
    turn = decoding.one_turn(decoding.PROXY, options, 3, batch=3)
    assert [len(words) for words in turn["words"]] == 3 * [options.words + 1]


def test_missing_peers_are_named(monkeypatch):
    monkeypatch.setattr(decoding.models.importlib.util, "find_spec", lambda name: None)
    cpu, gpu = ({**vars(OPTIONS), "device": device} for device in ("cpu", "cuda"))
    assert decoding.without_proxy(argparse.Namespace(**cpu)) == [
        "without CTranslate2: ctranslate2 is not installed (pip install ctranslate2)"
    ]
    assert "in float32 and int8 on a CPU" in decoding.without_proxy(argparse.Namespace(**gpu))[0]
    assert decoding.PROXY not in decoding.contestants(argparse.Namespace(**cpu))
    assert decoding.GRAPHS in decoding.contestants(argparse.Namespace(**gpu))


def test_report(run):
    size = "--arch xlm_swcm_tiny --vocabulary 200 --tokens 12 --words 3 --rounds 1 --beams 2 --batches 2".split()
    report = run(decoding, *size)
    missing = any("without CTranslate2" in line for line in report["settings"])
    assert missing != (decoding.PROXY in {row[1] for row in report["rows"]})
    assert {row[1] for row in report["rows"]} >= {decoding.OURS, decoding.RESTRICTED, decoding.STOCK, decoding.NO_CACHE}
    assert all(row[0] == "beam 2, batch 2" for row in report["rows"])
    assert all(ratio["median"] > 0 for ratio in report["ratios"])


def test_different_outputs_are_an_error():
    turns = {
        decoding.OURS: [{"words": [[5, 6], [7, 8]]}],
        decoding.RESTRICTED: [{"words": [[5, 6], [9, 9]]}],
        decoding.STOCK: [{"words": [[5, 6], [7, 8]]}],
    }
    assert decoding.check_words("greedy", turns, "fp32") == {
        decoding.OURS: 1,
        decoding.RESTRICTED: 0.5,
        decoding.STOCK: 1,
    }
    turns[decoding.NO_CACHE] = turns[decoding.RESTRICTED]
    assert decoding.check_words("greedy", turns, "bf16")[decoding.NO_CACHE] == 0.5
    with pytest.raises(InputError, match="50% of the sentences"):
        decoding.check_words("greedy", turns, "fp32")


def test_largest_batch():
    assert decoding.largest_batch(lambda batch: batch <= 200) == 128
    assert decoding.largest_batch(lambda batch: False) == 32


@pytest.mark.parametrize(("batches", "words"), [(["fit"], 3), (["0"], 3), (["x"], 3), (["1"], 10)])
def test_bad_options(batches, words):
    with pytest.raises(InputError):
        decoding.check(argparse.Namespace(batches=batches, words=words, tokens=12, device="cpu"))
