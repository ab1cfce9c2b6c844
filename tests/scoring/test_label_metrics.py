"""Scores of labels: comparison with scikit-learn, intervals and tests, refused inputs."""

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, f1_score

from swcm_fairseq.errors import InputError
from swcm_fairseq.scoring.__main__ import main
from swcm_fairseq.scoring.label_metrics import accuracy, label_counts, macro_f1, weighted_f1

labels = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=60)


@settings(max_examples=40, deadline=None)
@given(labels)
def test_the_numbers_are_scikit_learns(pairs):
    references, predictions = np.array(pairs).T
    counts = label_counts(references, predictions, 7)  # class 6 does not occur
    assert accuracy(counts) == pytest.approx(accuracy_score(references, predictions))
    assert macro_f1(counts) == pytest.approx(f1_score(references, predictions, average="macro", zero_division=0))
    assert weighted_f1(counts) == pytest.approx(f1_score(references, predictions, average="weighted", zero_division=0))


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 3, 200)
    content = {"gold": gold, "good": np.where(rng.random(200) < 0.8, gold, 0), "bad": rng.integers(0, 3, 200)}
    for name, values in content.items():
        (tmp_path / name).write_text("".join(f"{value}\n" for value in values))
    return tmp_path


def test_the_command(files, capsys):
    systems = ["--ref", str(files / "gold"), "--hyp", str(files / "bad"), str(files / "good")]
    main(["--labels", *systems, "--bootstrap", "100", "--trials", "500", "--format", "json"])
    report = json.loads(capsys.readouterr().out)
    bad, good = (system["values"] for system in report["systems"])
    gold, found = (np.loadtxt(files / name, dtype=int) for name in ("gold", "good"))
    assert good["accuracy"]["score"] == pytest.approx(100 * accuracy_score(gold, found))
    assert good["macro-F1"]["score"] == pytest.approx(100 * f1_score(gold, found, average="macro"))
    assert good["macro-F1"]["p_value"] == pytest.approx(1 / 501) and bad["macro-F1"]["p_value"] is None
    assert 0 < good["macro-F1"]["interval"] < 10
    assert report["signatures"]["macro-F1"].startswith("macro-F1|classes:occurring|ar:500|bs:100|rs:12345|v:")
    main(["--labels", *systems, "--bootstrap", "0", "--trials", "0"])
    text = capsys.readouterr().out
    assert text.startswith("200 lines, language not given; in percent\n\nscore ") and "written in" not in text


@pytest.mark.parametrize(
    ("line", "options", "message"),
    [
        ("", ["--labels"], "changed:7: blank line; write one label per line"),
        ("9", ["--labels"], "changed:7: unknown label '9'; known labels are 0, 1, 2; add others with --labels"),
        ("2", ["--labels", "0,1"], "gold:.*: unknown label '2'; known labels are 0, 1"),
        ("2", [], "--lang is missing"),
    ],
)
def test_bad_input_is_refused(files, line, options, message):
    lines = (files / "bad").read_text().splitlines()
    lines[6] = line
    (files / "changed").write_text("".join(f"{each}\n" for each in lines))
    with pytest.raises(InputError, match=message):
        main([*options, "--ref", str(files / "gold"), "--hyp", str(files / "changed")])


def test_one_file_of_references(files):
    with pytest.raises(InputError, match="--labels needs one file of references"):
        main(["--labels", "--ref", str(files / "gold"), str(files / "bad"), "--hyp", str(files / "good")])
