"""What all tests share: where the committed and the optional data lie."""

import os
import sys
from pathlib import Path

# The recipes call swcm, which lies beside this Python.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # before torch is imported: tests are of a CPU, and fairseq uses GPUs it sees

import pytest
from hypothesis import settings

import swcm_fairseq  # noqa: F401  (registers everything, once, before any test)

settings.register_profile("tests", deadline=None)  # a busy machine is no defect
settings.load_profile("tests")

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of the checkout."""
    return ROOT


@pytest.fixture(scope="session")
def sample_data() -> Path:
    """Real text in five languages, committed (see its README)."""
    return ROOT / "examples/quickstart/data/sample"


@pytest.fixture(scope="session")
def datapack() -> Path:
    """A larger collection of text, named by SWCM_DATAPACK; tests that need it are skipped without it."""
    place = os.environ.get("SWCM_DATAPACK")
    if not place:
        pytest.skip("SWCM_DATAPACK does not name a directory with the larger test data")
    return Path(place)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whole command lines first: they take longest, and the other worker takes the rest meanwhile."""
    items.sort(key=lambda item: "e2e" not in item.keywords)
