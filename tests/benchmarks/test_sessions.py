"""The scripts that run several benchmarks: their pieces, and pieces that are done, unknown or fail."""

import re
import subprocess
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
SCRIPTS = ["gpu_session.sh", "cpu_reports.sh"]


def run(script: str, *arguments: object, **environment: str) -> subprocess.CompletedProcess:
    words = ["bash", str(BENCHMARKS / script), *map(str, arguments)]
    return subprocess.run(words, env={"PATH": "/usr/bin:/bin", **environment}, capture_output=True, text=True)


def pieces(script: str) -> list[str]:
    [names] = re.findall(r"^PIECES=\((.*)\)$", (BENCHMARKS / script).read_text(), re.MULTILINE)
    return names.split()


@pytest.fixture()
def python(tmp_path) -> Path:
    """A fake Python that records its arguments and fails for one benchmark."""
    program = tmp_path / "python"
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\ncase "$*" in *attention_kernels*) exit 1;; esac\n')
    program.chmod(0o755)
    return program


@pytest.mark.parametrize("scale", ["full", "smoke"])
def test_a_gpu_session(tmp_path, python, scale):
    """Every piece runs once, in order; a failing piece is reported, and only this piece is tried again."""
    out = tmp_path / "out"
    done = run("gpu_session.sh", out, PYTHON=str(python), SCALE=scale)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line.split(":")[0] for line in lines] == pieces("gpu_session.sh")
    assert [line for line in lines if "FAILED" in line] == [line for line in lines if line.startswith("attention:")]
    assert done.stderr == "failed: attention; to repeat them, run the same command\n"
    calls = (tmp_path / "calls").read_text().splitlines()
    programs = [call.split()[0] for call in calls if call.startswith("benchmarks/")]
    assert all((BENCHMARKS.parent / program).is_file() for program in programs)
    assert programs[0] == "benchmarks/gpu_smoke.py" and programs[-1] == "benchmarks/pretraining_run.py"
    assert {f"benchmarks/{name}.py" for name in ("train_step", "decoding", "gpu_resume")} < set(programs)
    again = run("gpu_session.sh", out, PYTHON=str(python), SCALE=scale)
    assert again.stdout.count("done before") == len(lines) - 1
    assert len((tmp_path / "calls").read_text().splitlines()) == len(calls) + 1


@pytest.mark.parametrize("script", SCRIPTS)
def test_bad_input(tmp_path, script):
    unknown = run(script, tmp_path / "out", "nothing")
    assert unknown.returncode == 2
    assert unknown.stderr == f"error: nothing: no such piece; the pieces are {' '.join(pieces(script))}\n"
    wrong = run(script, tmp_path / "out", SCALE="huge")
    assert wrong.returncode == 2 and wrong.stderr == "error: SCALE=huge: use full or smoke\n"


def test_a_piece_that_takes_too_long_is_ended(tmp_path):
    program = tmp_path / "python"
    program.write_text("#!/bin/sh\nsleep 30\n")
    program.chmod(0o755)
    done = run("gpu_session.sh", tmp_path / "out", "smoke", PYTHON=str(program), LIMIT="1")
    assert done.returncode == 1 and re.fullmatch(r"smoke: FAILED after [1-9] s; see .*/smoke\.log\n", done.stdout)
