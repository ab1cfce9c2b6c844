"""Commands in separate processes: run by their path, on a full disk, with unwritable paths, interrupted by Ctrl-C."""

import contextlib
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.preprocess.conftest import refused, sentences, write_lines


def test_a_manifest_by_the_path_of_its_command(repository, tmp_path):
    """From a checkout without installation; files next to the command do not shadow other modules."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    command = [sys.executable, str(repository / "preprocess/run.py"), "examples/manifests/pretraining.yaml"]
    done = subprocess.run(command, cwd=repository, env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: corpora/mc2/") and "its authors publish it at" in line


@pytest.mark.parametrize(
    "command",
    [
        "extract plain --input {text} --lang bo --output {out}/t",
        "binarize --vocab {vocabulary} --output {out} --mono bo:train={text}",
    ],
)
def test_no_file_may_grow_further(command, vocabulary_dir, tmp_path):
    """The system limits files to 64 kB, as a full disk would: one error line, nothing half-written."""
    text, out = write_lines(tmp_path / "text", sentences("bo", 3000)), tmp_path / "out"
    arguments = command.format(text=text, out=out, vocabulary=vocabulary_dir).split()
    command = ["bash", "-c", 'ulimit -f 64; exec "$@"', "bash", sys.executable, "-m", f"preprocess.{arguments[0]}"]
    done = subprocess.run([*command, *arguments[1:]], capture_output=True, text=True)
    assert done.returncode == 1, done.stderr
    (line,) = done.stderr.splitlines()
    assert "File too large; make room or give another place" in line
    left = {path.name for path in out.rglob("*")} if out.exists() else set()
    assert left <= {"dict.txt", "sentencepiece.bpe.model"}


def test_unwritable_paths(texts, tmp_path):
    """A file in place of a folder, which fails even for root, unlike missing permissions."""
    occupied = write_lines(tmp_path / "file", ["mine"])
    refused(
        f"{occupied}.*(Not a directory|File exists)",
        f"""
        extract plain --input {texts["bo"]} --lang bo --output {occupied}/t
        clean --lang bo --input {texts["bo"]} --output {occupied}/t
        sentences --lang bo --input {texts["bo"]} --output {occupied}/t
        vocab --input {texts["bo"]} --size 80 --output {occupied}/v
        """,
    )
    assert occupied.read_text() == "mine\n"


def test_pipes_where_text_is_read_twice(texts, vocabulary_dir, tmp_path):
    pipe, out = tmp_path / "pipe", tmp_path / "out"
    os.mkfifo(pipe)
    refused(
        f"^--.*: {pipe} cannot be read twice; save it to a file first",
        f"""
        extract plain --input {pipe} --lang bo --output {out} --repeated-paragraphs 9
        clean --lang zh-bo --input {texts["zh"]} {pipe} --output {out}.zh {out}.bo
        vocab --input {texts["bo"]} bo={pipe} --output {out}
        vocab_extend --vocab {vocabulary_dir} --input bo={texts["bo"]} --check {pipe} --output {out}
        vocab_prune --vocab {vocabulary_dir} --input {pipe} --output {out}
        """,
    )
    assert os.listdir(tmp_path) == ["pipe"]


def test_file_names_that_the_system_refuses(texts, vocabulary_dir, tmp_path):
    """Checking whether such a file exists fails, as in a folder without access."""
    long, text, out = "x" * 300, texts["bo"], tmp_path / "out"
    refused(
        r"^x+: File name too long$",
        f"""
        extract plain --input {long} --lang bo --output {out}
        extract plain --input {text} --lang bo --output {out} --rejects {long}
        clean --lang bo --input {text} --output {out} --held-out {long}
        binarize --vocab {vocabulary_dir} --output {out} --mono bo:train={long}
        vocab --input {long} --output {out}
        """,
    )
    assert not out.exists()


def test_ctrl_c_at_work_is_one_line_and_leaves_nothing(tmp_path):
    """The text comes from a pipe that stays open, so the command is still running when it is interrupted."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    arguments = f"-m swcm_fairseq.cli clean --lang bo --input {pipe} --output {tmp_path}/out"
    process = subprocess.Popen(
        [sys.executable, *arguments.split()],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored if tests run in the background
    )
    with open(pipe, "w", encoding="utf-8") as feed:  # blocks until the command opens it
        feed.writelines(f"{line}\n" for line in sentences("bo", 2000))
        feed.flush()
        while not list(tmp_path.glob(".out.*.partial")):
            time.sleep(0.02)
        for _ in range(5):  # on a busy machine, the first interrupt can be lost, as in a terminal
            process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=20)
                break
        assert process.returncode == 130
    assert process.stderr.read() == "interrupted; the same command continues where it stopped\n"
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
