"""Fixtures for environments with transformers, in which fairseq and this package cannot be imported."""

import json
import os
import sys
from pathlib import Path
from typing import Any

for package in ("fairseq", "swcm_fairseq", "preprocess"):
    sys.modules[package] = None  # type: ignore[assignment]  # importing it is an error

import pytest
import torch
from transformers import AutoModelForSeq2SeqLM, AutoTokenizer

EXPORTS, WRITTEN = Path(os.environ["SWCM_EXPORTS"]), Path(os.environ["SWCM_WRITTEN"])
LAYOUTS = sorted(path.parent.name for path in EXPORTS.glob("*/reference.pt"))


def load(directory: Path, **options: Any) -> Any:
    """Load the model for inference."""
    return AutoModelForSeq2SeqLM.from_pretrained(directory, trust_remote_code=True, **options).eval()


def load_tokenizer(directory: Path, **options: Any) -> Any:
    return AutoTokenizer.from_pretrained(directory, trust_remote_code=True, **options)


@pytest.fixture(scope="session")
def written() -> Path:
    """Folder in which the project's tests look for the models trained here."""
    return WRITTEN


@pytest.fixture(scope="session")
def directory() -> Path:
    """The export with the paper's layout."""
    return EXPORTS / "paper" / "export"


@pytest.fixture(scope="session")
def model(directory) -> Any:
    return load(directory)


@pytest.fixture
def tokenizer(directory) -> Any:
    return load_tokenizer(directory, src_lang="zh", tgt_lang="bo")


@pytest.fixture(scope="session")
def outputs() -> list[dict[str, Any]]:
    """Outputs of fairseq."""
    return json.loads((EXPORTS / "outputs.json").read_text("utf-8"))


@pytest.fixture(scope="session")
def reference() -> dict[str, torch.Tensor]:
    """fairseq's results with the paper's layout."""
    return torch.load(EXPORTS / "paper" / "reference.pt", weights_only=True)
