"""Run the checks of ``with_transformers`` in an environment of each supported release."""

import pytest

from tests.huggingface.conftest import VERSIONS


@pytest.mark.parametrize("version", VERSIONS)
def test_the_export_without_fairseq_and_without_this_package(in_transformers, version):
    done, _ = in_transformers(version)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-4000:]
