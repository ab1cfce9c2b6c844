"""Merged tensors equal those of complete MergeKit runs (see make_mergekit_fixtures.py)."""

import json
import shutil
from pathlib import Path

import pytest
from safetensors.torch import load_file

from tests.commands import run

FIXTURES = Path(__file__).with_name("fixtures")
METHODS = {"linear": "average", "ties": "ties", "task_arithmetic": "task-arithmetic"}  # MergeKit's names -> ours
CASES = json.loads((FIXTURES / "cases.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Hugging Face directories of the base and of two models."""
    root = tmp_path_factory.mktemp("mergekit")
    for name in ("base", "a", "b"):
        (root / name).mkdir()
        shutil.copy(FIXTURES / "config.json", root / name)
        shutil.copy(FIXTURES / f"{name}.safetensors", root / name / "model.safetensors")
    return root


@pytest.mark.parametrize("case", CASES)
def test_merged_tensors_equal_mergekits(models, tmp_path, case):
    method, settings, weights, densities = CASES[case]
    options = ["--method", METHODS[method], "--weights", ",".join(map(str, weights))]
    options += [] if method == "linear" else ["--base", models / "base"]
    options += [] if densities is None else ["--densities", ",".join(map(str, densities))]
    options += ["--lambda", settings["lambda"]] if "lambda" in settings else []
    options += ["--no-normalize"] if settings.get("normalize") is False else []
    output = tmp_path / "merged"
    run("python", "-m", "swcm_fairseq.merge", models / "a", models / "b", *options, "--output", output)
    ours = load_file(output / "model.safetensors")
    prefix = f"{case}/"
    theirs = load_file(FIXTURES / "expected.safetensors")
    theirs = {name.removeprefix(prefix): tensor for name, tensor in theirs.items() if name.startswith(prefix)}
    assert theirs and ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        assert (ours[name] - tensor).abs().max() < 1e-7, name
    assert (output / "config.json").read_bytes() == (models / "a/config.json").read_bytes()
