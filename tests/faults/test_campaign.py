"""A small campaign; ``make faults`` runs the full one (tests/faults/campaign.py)."""

import shutil
import subprocess
import sys

import pytest

from tests.faults.campaign import COMMANDS, campaign, make_inputs, run_case
from tests.faults.oracle import contents, judge

CASES = 300
# Outcomes for which the command line must agree with the verdict that the campaign reached in its own process.
CONFIRMED = ("refused", "ok")


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faults") / "valid"
    folder.mkdir()
    make_inputs(folder)
    return folder


@pytest.mark.parametrize("name", COMMANDS)
def test_the_unbroken_command_works(inputs, tmp_path, name):
    """Otherwise, the refusals in the campaign would be meaningless."""
    command = COMMANDS[name]
    argv = [part.format(**{"in": inputs, "out": tmp_path}) for part in command.line.split()]
    verdict = judge(command.main, argv, [inputs], tmp_path / "r" if command.counted else None)
    assert verdict.kind == "ok", verdict


def test_no_case_of_the_small_campaign_is_a_fault():
    found = []
    table = campaign(CASES, 7, lambda number, case: found.append((number, case)) if case.verdict.is_fault else None)
    assert not found
    assert sum(counts.total() for counts in table.values()) == CASES


def test_the_command_line_says_the_same(inputs, tmp_path):
    wanted = dict.fromkeys(CONFIRMED)
    for number in range(100):
        folder = tmp_path / str(number)
        folder.mkdir()
        case = run_case(3, number, inputs, folder)
        if case.command == "clean" and wanted.get(case.verdict.kind, 0) is None:
            wanted[case.verdict.kind] = folder
            shutil.rmtree(folder / "out")
            (folder / "out").mkdir()
            before = contents(folder / "in")
            done = subprocess.run(
                [sys.executable, "-m", "swcm_fairseq.cli", "clean", *case.argv], capture_output=True, text=True
            )
            assert bool(done.returncode) == (case.verdict.kind == "refused")
            assert "Traceback" not in done.stderr and before == contents(folder / "in")
        if all(wanted.values()):
            return
    pytest.fail(f"no case with the outcome {wanted}")


def test_the_oracle_sees_faults(inputs, tmp_path):
    def broken(argv):
        raise KeyError("x")

    def overwriting(argv):
        (tmp_path / "in/file").write_text("lost")

    def talking(argv):
        print("error: one\nerror: two", file=sys.stderr)
        sys.exit(1)

    def losing(argv):
        (tmp_path / "out").write_text("a\n")
        (tmp_path / "r").write_text("")

    (tmp_path / "in").mkdir()
    (tmp_path / "in/file").write_text("a\nb\n")
    argv = ["--input", str(tmp_path / "in/file"), "--output", str(tmp_path / "out")]
    assert judge(losing, argv, [tmp_path / "in"], tmp_path / "r").kind == "loss"
    for main, kind in ((broken, "traceback"), (talking, "unclear"), (overwriting, "loss")):
        assert judge(main, argv, [tmp_path / "in"], None).kind == kind
