"""--cpu-precision for fairseq-generate and from_pretrained, and the report on how much it changes."""

import json
import shutil

import precision_agreement
import pytest

from swcm_fairseq.errors import InputError
from swcm_fairseq.models import XLMSWCMModel
from tests.hub.test_hub_interface import DIRECTION, SEARCH, generated


@pytest.mark.parametrize("precision", ["bfloat16", "int8"])
def test_both_ways_write_the_same(checkpoint, data_bin, texts, tmp_path, precision):
    model = XLMSWCMModel.from_pretrained(
        str(checkpoint.parent), checkpoint.name, str(data_bin), cpu_precision=precision
    )
    options = ("--beam", 3, "--max-len-b", 8, "--cpu-precision", precision)
    theirs = generated(data_bin, checkpoint, tmp_path, "zh", "bo", *options)
    ours = model.generate(texts, **DIRECTION, **SEARCH, batch_size=7)
    # Not the same batches, and in few bits their rounding decides between words that are as good as each other.
    assert sum(one == other for one, other in zip(ours, theirs, strict=True)) >= 0.7 * len(ours)


def test_an_unknown_precision(checkpoint, data_bin):
    with pytest.raises(InputError, match="--cpu-precision int9: choose float32, bfloat16, int8"):
        XLMSWCMModel.from_pretrained(str(checkpoint.parent), checkpoint.name, str(data_bin), cpu_precision="int9")


def test_the_report(checkpoint, data_bin, sample_data, tmp_path, monkeypatch):
    shutil.copy(checkpoint, tmp_path / "model.pt")
    for name in ("dict.txt", "sentencepiece.bpe.model"):
        shutil.copy(data_bin / name, tmp_path)
    words = ["precision_agreement.py", tmp_path, "-s", "zh", "-t", "bo", "--output", tmp_path / "results"]
    words += ["--input", sample_data / "zh-bo.test.zh", "--reference", sample_data / "zh-bo.test.bo"]
    monkeypatch.setattr("sys.argv", [str(word) for word in [*words, "--samples", 4, "--words", 5]])
    precision_agreement.main()
    (file,) = (tmp_path / "results").glob("precision_agreement_*.json")
    rows = {row[0]: row[1:] for row in json.loads(file.read_text())["rows"]}
    assert list(rows) == ["float32", "bfloat16", "int8"]
    assert rows["float32"][:2] == ["100.0%", "100.0%"]
    assert all(float(row[0].rstrip("%")) > 50 for row in rows.values())
