import pytest

from swcm_fairseq import requirements_check


def test_this_environment_is_fine():
    assert requirements_check.problem() is None


@pytest.mark.parametrize(
    ("text", "numbers"), [("2.13.0+cpu", (2, 13, 0)), ("0.12.3", (0, 12, 3)), ("2.6.0a0", (2, 6)), ("x", ())]
)
def test_versions(text, numbers):
    assert requirements_check._numbers(text) == numbers


def test_a_missing_package_is_named_with_its_fix(monkeypatch):
    monkeypatch.setattr(requirements_check, "REQUIREMENTS", (("no_such", ("no-such",), (1, 2), "pip install no-such"),))
    assert requirements_check.problem() == (
        "swcm_fairseq needs no_such >= 1.2, which is not installed: pip install no-such"
    )


def test_an_old_package_is_named_and_stops(monkeypatch, capsys):
    monkeypatch.setattr(requirements_check, "REQUIREMENTS", (("torch", ("torch",), (999,), "pip install torch==999"),))
    with pytest.raises(SystemExit) as end:
        requirements_check.check()
    assert end.value.code == 1
    line = capsys.readouterr().err
    assert line.startswith("error: swcm_fairseq needs torch >= 999, found ") and line.count("\n") == 1
    assert line.endswith("pip install torch==999\n")
