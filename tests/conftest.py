"""Shared by all tests: the environment, and the committed and optional data."""

import os
import sys
from pathlib import Path

# The recipes call swcm, which is in the same directory as this Python.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before importing torch: tests use the CPU, but fairseq uses all visible GPUs

import pytest
from hypothesis import settings

import swcm_fairseq  # noqa: F401  (registers everything, once, before any test)

settings.register_profile("tests", deadline=None)  # slowness on a busy machine is not a defect
settings.load_profile("tests")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """Committed real text in five languages (see its README)."""
    return ROOT / "examples/quickstart/data/sample"


@pytest.fixture(scope="session")
def datapack() -> Path:
    """A larger text collection in the directory SWCM_DATAPACK; without it, tests that need it are skipped."""
    place = os.environ.get("SWCM_DATAPACK")
    if not place:
        pytest.skip("SWCM_DATAPACK does not name a directory with the larger test data")
    return Path(place)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run whole command lines first: they take longest, and the other worker runs the remaining tests meanwhile."""
    items.sort(key=lambda item: "e2e" not in item.keywords)
