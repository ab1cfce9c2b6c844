"""Steps of a run (``swcm step``): each is done once, by one process at a time, with its output in a log."""

import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from swcm_fairseq.step_command import BUSY, TO_DO, build_parser, main, run_step

CHATTER = "echo 2026 DEBUG:hydra >&2; echo loading"


@pytest.fixture
def step(tmp_path, capfd):
    """Run a shell script as a step; return its exit status and the terminal output."""

    def run(script: str, *options: str, name: str = "a-step") -> tuple[int, str, str]:
        command = [*options, str(tmp_path / "my run"), name, "what it does", "sh", "-c", script]
        try:
            return run_step(build_parser().parse_args(command)), *capfd.readouterr()
        except SystemExit as end:
            return int(end.code or 0), *capfd.readouterr()

    return run


@pytest.mark.parametrize(
    ("script", "status", "shown"),
    [
        (CHATTER, 0, ""),
        (f"{CHATTER}; echo 'x: error: no such file' >&2; echo more; exit 3", 3, "error: no such file\n"),
        ("seq 20; exit 137", 137, "".join(f"{n}\n" for n in range(6, 21)) + "the whole log is {log}\n"),
        ("seq 3; kill -9 $$", 137, "1\n2\n3\nthe whole log is {log}\n"),
    ],
)
def test_a_logged_command_prints_only_errors(step, tmp_path, script, status, shown):
    log = tmp_path / "logs/the log"
    done, out, err = step(script, "--log", str(log))
    assert (done, err) == (status, shown.format(log=log))
    assert out.startswith("\n[a-step] what it does\n$ sh -c ") and "loading" not in out.split("\n", 3)[3]
    assert log.stat().st_size
    assert (tmp_path / "my run/done/a-step.json").exists() == (status == 0)


def test_a_step_is_repeated_only_if_its_command_or_a_file_changes(step, tmp_path):
    read, written = tmp_path / "read", tmp_path / "written"
    read.write_text("1")
    options = ("--reads", str(read), "--writes", str(written))
    work = f"test ! -e '{written}' && cat '{read}' > '{written}'; echo worked"
    assert step(work, *options)[:2][1].endswith("worked\n")
    assert step(work, *options) == (0, "[a-step] done before, skipped\n", "")
    assert step(work, "--check", *options)[0] == 0
    read.write_text("23")
    assert step(work, "--check", *options) == (TO_DO, "", "")
    assert step(work, *options)[0] == 0 and written.read_text() == "23"
    assert step(f"{work}; echo again", *options)[1].endswith("again\n")
    assert step(work, *options, name="another")[0] == 0


def test_a_training_has_a_bar_and_must_be_completed(step, tmp_path):
    log = tmp_path / "train.log"
    options = ("--log", str(log), "--progress", "update")
    status, _, err = step("echo 'error: no data; give some'; exit 1", *options)
    assert status == 1 and err.endswith("error: no data; give some\n")
    status, _, err = step("echo loading", *options)  # killed without an error status
    assert status == 1 and f"the whole log is {log}" in err
    assert step("echo done training in 1.0 seconds", *options)[0] == 0
    assert log.read_text().splitlines()[-1] == "done training in 1.0 seconds"


def test_the_first_machine_records_a_shared_step(tmp_path):
    def run(machine: int, *options: str) -> int:
        command = ["sh", "-c", f"echo $0 $@ >>'{tmp_path}/ran'", "--node_rank", str(machine)]
        log = ["--log", str(tmp_path / f"log{machine}"), "--machine", str(machine)]
        return run_step(build_parser().parse_args([*options, *log, str(tmp_path), "train", "", *command]))

    assert run(1, "--check") == TO_DO and run(1) == 0
    assert not (tmp_path / "done").exists()
    assert run(0) == 0 and run(0, "--check") == run(1, "--check") == run(1) == 0
    assert (tmp_path / "ran").read_text() == "--node_rank 1\n--node_rank 0\n"


def test_a_step_that_another_process_runs_is_skipped(step, tmp_path):
    (tmp_path / "my run/done").mkdir(parents=True)
    with (tmp_path / "my run/done/a-step.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for options in ((), ("--check",)):
            status, out, _ = step("echo worked", *options)
            assert status == BUSY and out.startswith("[a-step] another process is working on it")
    assert step("echo worked")[0] == 0


def test_waiting_processes_do_a_step_once(tmp_path):
    command = [
        sys.executable,
        "-m",
        "swcm_fairseq.step_command",
        "--wait",
        "another is making it",
        tmp_path,
        "data",
        "",
    ]
    work = f"echo begin >>'{tmp_path}/log'; sleep 0.2; echo end >>'{tmp_path}/log'"
    started = [subprocess.Popen([*command, "sh", "-c", work], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    shown = [each.communicate()[0] for each in started]
    assert [each.returncode for each in started] == [0, 0, 0]
    assert (tmp_path / "log").read_text() == "begin\nend\n"
    assert sum("done before" in text for text in shown) == 2


def test_an_interrupted_step_waits_for_its_command_and_is_not_recorded(tmp_path):
    script = f"trap 'sleep 0.2; touch \"{tmp_path}/saved\"; exit 130' INT; touch '{tmp_path}/began'; sleep 60 & wait"
    command = [sys.executable, "-m", "swcm_fairseq.step_command", tmp_path, "train", "", "bash", "-c", script]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, start_new_session=True)
    while not (tmp_path / "began").exists():
        time.sleep(0.05)
    os.killpg(process.pid, 2)
    assert process.wait() == 130
    assert (tmp_path / "saved").exists() and not (tmp_path / "done/train.json").exists()


def test_the_record_is_readable(step, tmp_path):
    step("true", "--reads", str(tmp_path / "nothing"))
    content = json.loads((tmp_path / "my run/done/a-step.json").read_text())
    assert content == [["sh", "-c", "true"], [[str(tmp_path / "nothing")]]]


def program(path: Path, script: str) -> None:
    """Write an executable shell script."""
    path.parent.mkdir(exist_ok=True)
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def test_a_generation_that_fails_in_the_quickstart_is_one_line(repository, tmp_path):
    out = tmp_path / "my run"
    ours = Path(sys.executable).parent
    program(tmp_path / "bin/swcm", f'case "$*" in *generate*|recipe-*) exec \'{ours}/swcm\' "$@";; esac')
    program(tmp_path / "bin/fairseq-generate", f"{CHATTER}; echo 'error: no checkpoint; train first' >&2; exit 1")
    environment = {"PATH": f"{tmp_path / 'bin'}:{os.defpath}", "OUT": str(out), "SCALE": "smoke", "COMPARE": "0"}
    environment["DEVICE"] = "cpu"
    command = [str(repository / "examples/quickstart/run.sh")]
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (done.returncode, done.stderr) == (1, "error: no checkpoint; train first\n")
    assert "$ fairseq-generate" in done.stdout and "loading" not in done.stdout
    assert "DEBUG:hydra" in (out / "xlm-swcm-generate-bo.log").read_text()
    assert not (out / "done/xlm-swcm-generate-bo.json").exists()


def test_a_step_without_a_command(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr("sys.argv", ["swcm step", str(tmp_path), "a-step", "what it does"])
    with pytest.raises(SystemExit, match="2"):
        main()
    assert "the command is missing" in capsys.readouterr().err
