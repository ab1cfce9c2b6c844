import os
import signal
import subprocess
import sys

import pytest

from swcm_fairseq.errors import InputError, exists, install_excepthook, run_command


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_the_message_is_one_line():
    assert str(InputError("a file\n  is   missing")) == "a file is missing"


def test_whether_a_file_exists(tmp_path):
    assert exists(tmp_path) and exists(str(tmp_path)) and not exists(tmp_path / "none")
    with pytest.raises(InputError, match=r"^x+: File name too long$"):
        exists("x" * 300)


def test_an_uncaught_input_error_shows_one_line_and_exits_1():
    done = run(
        "from swcm_fairseq.errors import *; install_excepthook(); install_excepthook(); raise InputError('x: fix it')"
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "error: x: fix it\n")


def test_other_exceptions_keep_their_traceback():
    done = run("from swcm_fairseq.errors import *; install_excepthook(); raise KeyError('bug')")
    assert done.returncode == 1
    assert "Traceback" in done.stderr and "KeyError" in done.stderr


def test_the_hook_is_installed_once(monkeypatch):
    monkeypatch.setattr(sys, "excepthook", sys.__excepthook__)
    install_excepthook()
    assert os.environ["HYDRA_FULL_ERROR"]  # Hydra lets exceptions reach the hook
    installed = sys.excepthook
    assert installed is not sys.__excepthook__
    install_excepthook()
    assert sys.excepthook is installed


@pytest.mark.parametrize(
    ("raised", "status", "line"),
    [
        (InputError("no such file"), 1, "error: no such file\n"),
        (InputError("--workers 0: must be at least 1"), 2, "error: --workers 0: must be at least 1\n"),
        (KeyboardInterrupt(), 130, "interrupted; the same command continues where it stopped\n"),
    ],
)
def test_run_command(raised, status, line, capsys):
    def main():
        raise raised

    with pytest.raises(SystemExit) as end:
        run_command(main)
    assert end.value.code == status
    assert capsys.readouterr().err == line


@pytest.mark.parametrize("module", ["preprocess.extract", "swcm_fairseq.scoring"])
def test_ctrl_c_while_modules_are_imported_is_one_line(module):
    """The interrupt comes from a library that is imported after the package, when the hook is already installed."""
    code = f"""
import runpy, sys
class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name in ("numpy", "sentencepiece"):
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupt())
sys.argv, sys.orig_argv = ["-m"], ["python", "-m", "{module}"]  # as Python has them while it imports the package
runpy.run_module("{module}", run_name="__main__", alter_sys=True)
"""
    done = run(code)
    assert done.returncode in (130, -signal.SIGINT)
    assert done.stderr == "interrupted; the same command continues where it stopped\n"


def test_run_command_lets_bugs_through():
    def main():
        raise KeyError("bug")

    with pytest.raises(KeyError):
        run_command(main)
