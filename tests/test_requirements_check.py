import pytest

from swcm_fairseq import requirements_check
from swcm_fairseq.errors import InputError, check_requirements, run_command


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


def test_an_old_package_is_an_import_error(monkeypatch):
    monkeypatch.setattr(requirements_check, "REQUIREMENTS", (("torch", ("torch",), (999,), "pip install torch==999"),))
    with pytest.raises(
        ImportError, match=r"^swcm_fairseq needs torch >= 999, found \S+: pip install torch==999$"
    ) as it:
        check_requirements()
    assert isinstance(it.value, InputError)  # commands show it as one line


def test_a_command_names_what_it_cannot_import(monkeypatch, capsys):
    monkeypatch.setattr(requirements_check, "REQUIREMENTS", (("no_such", ("no-such",), (1, 2), "pip install no-such"),))

    def main():
        import no_such  # noqa: F401

    with pytest.raises(SystemExit, match="1"):
        run_command(main)
    expected = "error: swcm_fairseq needs no_such >= 1.2, which is not installed: pip install no-such\n"
    assert capsys.readouterr().err == expected


def test_another_import_error_is_a_bug():
    def main():
        from json import no_such  # noqa: F401

    with pytest.raises(ImportError, match="no_such"):
        run_command(main)
