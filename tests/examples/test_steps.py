"""Steps of a run: the output of a command goes to its log, and errors go to the terminal."""

import os
import subprocess
from pathlib import Path

import pytest

CHATTER = "echo 2026 DEBUG:hydra >&2; echo loading"


def program(path: Path, script: str) -> None:
    """Write an executable shell script."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


@pytest.mark.parametrize(
    ("script", "status", "shown"),
    [
        (CHATTER, 0, ""),
        (f"{CHATTER}; echo 'x: error: no such file' >&2; echo more; exit 3", 3, "error: no such file\n"),
        ("seq 20; exit 137", 137, "".join(f"{n}\n" for n in range(6, 21)) + "the whole log is the log\n"),
    ],
)
def test_a_logged_command_prints_only_if_it_fails(repository, tmp_path, script, status, shown):
    program(tmp_path / "bin/command", script)
    steps = f'set -euo pipefail; . "{repository}/examples/steps.sh"; logged "the log" bin/command; echo went on'
    done = subprocess.run(["bash", "-c", steps], capture_output=True, text=True, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (status, shown)
    assert done.stdout == ("" if status else "went on\n")
    assert (tmp_path / "the log").stat().st_size


def test_a_generation_that_fails_in_the_quickstart_is_one_line(repository, tmp_path):
    out = tmp_path / "my run"
    (out / "done").mkdir(parents=True)
    for name in ("encoder", "data", "xlm-swcm-pretraining", "xlm-swcm-titles"):
        (out / "done" / name).touch()
    program(tmp_path / "bin/python", "echo plugin")
    program(tmp_path / "bin/fairseq-generate", f"{CHATTER}; echo 'error: no checkpoint; train first' >&2; exit 1")
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.defpath}", "OUT": str(out), "SCALE": "smoke", "COMPARE": "0"}
    environment["DEVICE"] = "cpu"
    command = [str(repository / "examples/quickstart/run.sh")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (1, "error: no checkpoint; train first\n")
    assert "$ fairseq-generate" in done.stdout and "loading" not in done.stdout
    assert "DEBUG:hydra" in (out / "xlm-swcm-generate-bo.log").read_text()
    assert not (out / "done/xlm-swcm-generate-bo").exists()
