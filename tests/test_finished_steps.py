"""A step is done once, and repeated if its settings, inputs or outputs have changed."""

import os

import pytest

from swcm_fairseq.errors import InputError
from swcm_fairseq.finished_steps import Step


@pytest.fixture
def place(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder/input").write_text("one")
    return tmp_path


def times_done(place, *settings) -> int:
    """Do a step with these settings; return how often the step has been done so far."""
    step = Step(place / "record.json", "a step", settings, [place / "folder"], [place / "output"])
    with (place / "count").open("a") as count:
        step.do(lambda: (count.write("x"), (place / "output").touch()))
    return (place / "count").stat().st_size


def test_a_step_is_done_once(place, capsys):
    assert times_done(place, "a", 1) == 1
    assert capsys.readouterr().out == ""
    assert times_done(place, "a", 1) == 1
    assert capsys.readouterr().out == "[a step] done before, skipped\n"


def test_a_changed_step_is_done_again(place):
    assert times_done(place, "a") == 1
    assert times_done(place, "b") == 2
    (place / "folder/input").write_text("three")
    assert times_done(place, "b") == 3
    os.utime(place / "folder/input", ns=(0, 0))
    assert times_done(place, "b") == 4
    (place / "folder/more").touch()
    assert times_done(place, "b") == 5
    (place / "output").unlink()
    assert times_done(place, "b") == 6
    assert times_done(place, "b") == 6


def test_a_step_with_a_missing_input_is_never_done(place):
    step = Step(place / "record.json", "a step", [], [place / "folder"], [])
    step.do(lambda: None)
    assert step.is_done()
    (place / "folder/input").unlink()
    (place / "folder").rmdir()
    assert not step.is_done()


def test_failed_work_removes_the_record(tmp_path):
    """The failed work may have changed the outputs, so the earlier record no longer applies."""
    record, output = tmp_path / "record.json", tmp_path / "output"

    def fail():
        output.write_text("second")
        raise InputError("failed")

    first = Step(record, "work", ["first"], [], [output])
    first.do(lambda: output.write_text("first"))
    with pytest.raises(InputError, match="failed"):
        Step(record, "work", ["second"], [], [output]).do(fail)
    first.do(lambda: output.write_text("first"))
    assert output.read_text() == "first"
