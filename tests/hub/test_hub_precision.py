"""--cpu-precision in fairseq-generate and from_pretrained, and the report on its effect."""

import json
import shutil

import precision_agreement
import pytest

from swcm_fairseq.errors import InputError
from swcm_fairseq.models import XLMSWCMModel
from tests.hub.test_hub_interface import DIRECTION, SEARCH, generated


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_both_interfaces_give_the_same_outputs(checkpoint, data_bin, texts, tmp_path, precision):
    model = XLMSWCMModel.from_pretrained(
        str(checkpoint.parent), checkpoint.name, str(data_bin), cpu_precision=precision
    )
    options = ("--beam", 3, "--max-len-b", 8, "--cpu-precision", precision)
    theirs = generated(data_bin, checkpoint, tmp_path, "zh", "bo", *options)
    ours = model.generate(texts, **DIRECTION, **SEARCH, batch_size=7)
    # The batches differ, and at low precision, rounding decides between equally good words.
    assert sum(one == other for one, other in zip(ours, theirs, strict=True)) >= 0.7 * len(ours)


def test_an_unknown_precision(checkpoint, data_bin):
    with pytest.raises(InputError, match="--cpu-precision int9: choose float32, bfloat16, int8"):
        XLMSWCMModel.from_pretrained(str(checkpoint.parent), checkpoint.name, str(data_bin), cpu_precision="int9")


def test_the_report(checkpoint, data_bin, sample_data, tmp_path, monkeypatch):
    shutil.copy(checkpoint, tmp_path / "model.pt")
    for name in ("dict.txt", "sentencepiece.bpe.model"):
        shutil.copy(data_bin / name, tmp_path)
    files = f"{sample_data / 'zh-bo.test.zh'},{sample_data / 'zh-bo.test.bo'}"
    words = ["precision_agreement.py", tmp_path, "--pair", f"zh-bo={files}", "--output", tmp_path / "results"]
    monkeypatch.setattr("sys.argv", [str(word) for word in [*words, "--samples", 4, "--words", 5]])
    precision_agreement.main()
    (file,) = (tmp_path / "results").glob("precision_agreement_*.json")
    report = json.loads(file.read_text())
    rows = {row[1]: row[2:] for row in report["rows"]}
    assert list(rows) == ["float32", "bfloat16", "int8"]
    assert rows["float32"][:2] == ["100.0%", "100.0%"]
    assert all(float(row[0].rstrip("%")) > 50 for row in rows.values())
    claims = {ratio["name"]: ratio["values"] for ratio in report["ratios"]}
    assert len(claims) == 8 and 0.5 < claims[f"{precision_agreement.WORDS}: int8, zh-bo"][0] <= 1


@pytest.mark.parametrize("pair", ["zh-bo=one", "zh=a,b", "a,b"])
def test_an_invalid_pair(pair):
    with pytest.raises(InputError, match="write SOURCE-TARGET=TEXTS,REFERENCES"):
        precision_agreement.Pair.read(pair, 1)
