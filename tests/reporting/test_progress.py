"""The progress bar for fairseq-train's log."""

import pytest

from swcm_fairseq.reporting import progress

STEP = '2026-01-01 00:00:00 | INFO | train_inner | {"epoch": 2, "update": 1.5, "loss": "3.2", "num_updates": "30"}\n'
VALID = '2026-01-01 00:00:00 | INFO | valid | {"epoch": 2, "valid_loss": "3.1", "valid_num_updates": "40"%s}\n'
CONFIG = "2026-01-01 00:00:00 | INFO | fairseq_cli.train | --max-epoch 2 --max-update 40 (0: no limit)\n"
EPOCH = '2026-01-01 00:00:00 | INFO | train | {"epoch": 2, "train_loss": "3.1", "train_num_updates": "40"}\n'
DONE = "2026-01-01 00:00:00 | INFO | fairseq_cli.train | done training in 1.0 seconds\n"


@pytest.fixture
def run(tmp_path, capsys):
    """Feed lines to ``follow``; return its exit status and the terminal output. The log must contain the lines."""

    def feed(lines: list[str], *arguments) -> tuple[int, str]:
        status = progress.follow(lines, tmp_path / "log", *arguments)
        assert (tmp_path / "log").read_text() == "".join(lines)
        captured = capsys.readouterr()
        return status, captured.out + captured.err

    return feed


@pytest.mark.parametrize(("arguments", "position"), [((), "40/40"), (("epoch",), "2/2"), (("epoch",), "epoch")])
def test_the_bar_counts_updates_or_epochs(run, arguments, position):
    status, shown = run([CONFIG, STEP, VALID % ', "valid_rouge_l": "12.5"', EPOCH, DONE], *arguments)
    assert status == 0
    assert position.replace("2/2", "2.0/2").replace("40/40", "40.0/40") in shown
    assert "update 40: validation loss 3.1, ROUGE-L 12.5" in shown


@pytest.mark.parametrize("prefix", ["", "[rank1]: "])
def test_an_error_line_is_all_that_a_failed_run_shows(run, prefix):
    status, shown = run(["loading\n", f"{prefix}error: no such file; give another\n", "torchrun's traceback\n"])
    assert status == 1
    assert shown.endswith("\nerror: no such file; give another\n") and "torchrun" not in shown


def test_a_crash_shows_the_path_and_end_of_the_log(run, tmp_path):
    status, shown = run([f"line {i}\n" for i in range(20)])
    assert status == 1
    assert "line 5\n" in shown and "line 4\n" not in shown
    assert f"the whole log is {tmp_path / 'log'}" in shown
