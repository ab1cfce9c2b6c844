"""The wheel, and a fresh environment with it, which has this environment's packages but nothing from the checkout."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path

import pytest

SOURCES = ("swcm_fairseq", "preprocess", "examples", "pyproject.toml", "setup.py", "README.md", "LICENSE")
BUILD = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"


def _copy_sources(repository: Path, target: Path) -> None:
    """Copy the inputs of a build, because building in the checkout would leave files there."""
    target.mkdir()
    ignored = shutil.ignore_patterns("__pycache__", "runs", "data-bin")
    for name in SOURCES:
        place = repository / name
        if place.is_dir():
            shutil.copytree(place, target / name, ignore=ignored)
        else:
            shutil.copy(place, target)


@pytest.fixture(scope="session")
def build(repository, tmp_path_factory) -> Callable[[str], Path]:
    """Build with one of setuptools' hooks, ``build_wheel`` or ``build_editable``; return the wheel."""
    sources = tmp_path_factory.mktemp("build") / "sources"
    _copy_sources(repository, sources)

    def run(hook: str) -> Path:
        output = tmp_path_factory.mktemp("wheel")
        done = subprocess.run(
            [sys.executable, "-c", BUILD, hook, str(output)], cwd=sources, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-3000:]
        return output / done.stdout.splitlines()[-1]

    return run


@pytest.fixture(scope="session")
def wheel(build) -> Path:
    """The wheel."""
    return build("build_wheel")


@pytest.fixture(scope="session")
def installed(wheel, tmp_path_factory) -> Path:
    """The ``bin`` directory of an environment with the wheel."""
    place = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(place)], check=True)
    scheme = sysconfig.get_preferred_scheme("prefix")
    purelib = Path(sysconfig.get_path("purelib", scheme, {"base": str(place), "platbase": str(place)}))
    # A directory in a .pth file is only added to the path; its own .pth files, such as the checkout's, are not read.
    (purelib / "shared.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(place / "bin/python"), "install", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-index", "--disable-pip-version-check", str(wheel)], check=True)
    return place / "bin"


@pytest.fixture
def hostile(tmp_path, monkeypatch) -> Path:
    """A working directory in which a user's own ``preprocess.py`` would be found first."""
    (tmp_path / "preprocess.py").write_text("raise SystemExit('the user\\'s own preprocess.py was run')\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(installed, hostile) -> Callable[..., subprocess.CompletedProcess]:
    """Run a program of the environment in that directory, with its commands first on the path; it must succeed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    environment["PATH"] = f"{installed}{os.pathsep}{environment['PATH']}"

    def of(program: str, *arguments: str | Path, status: int = 0) -> subprocess.CompletedProcess:
        command = [str(installed / program), *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=hostile)
        assert done.returncode == status, done.stdout[-2000:] + done.stderr[-3000:]
        return done

    return of
