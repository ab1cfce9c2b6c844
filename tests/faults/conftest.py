"""Fixtures: the terminal output of fairseq's commands, and a trained checkpoint to damage."""

import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from swcm_fairseq.errors import input_error, install_excepthook
from swcm_fairseq.fairseq_errors import explained
from tests.commands import run
from tests.faults.trainings import train
from tests.tasks.task_data import fill


@pytest.fixture(scope="session")
def data(tmp_path_factory) -> Path:
    """A data directory with a few lines."""
    return fill(tmp_path_factory.mktemp("data-bin"), train=6, longest=9)


@pytest.fixture(scope="session")
def _trained(data, tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("trained")
    train(data, place, "multilingual_denoising_mt", "--max-update", 2, "--disable-validation")
    return place


@pytest.fixture()
def trained(_trained, tmp_path) -> Path:
    """The directory of a training run of two updates, which tests may change."""
    return shutil.copytree(_trained, tmp_path / "trained")


@pytest.fixture()
def error_line(capsys, monkeypatch) -> Callable[..., str]:
    """Run a fairseq command that must fail; return the single error line that it prints last."""
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)  # restored after the test
    install_excepthook()  # as in fairseq's processes, which the plugin recognizes by their name
    hook = sys.excepthook

    def of(program: str, *arguments: str | int | Path) -> str:
        try:
            run(program, *map(str, arguments))
        except SystemExit as end:
            assert end.code, "the command succeeded, but it must fail"
            return capsys.readouterr().err.strip().splitlines()[-1]
        except Exception as error:
            capsys.readouterr()
            line = input_error(error) or explained(error)
            if line is None:
                raise
            hook(type(error), error, error.__traceback__)
            assert capsys.readouterr().err == f"error: {line}\n"
            assert not re.search(r"Traceback|weights_only|\n", str(line))
            return str(line)
        pytest.fail("the command succeeded, but it must fail")

    return of
