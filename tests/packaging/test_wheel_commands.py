"""The command ``swcm`` of the wheel, next to a user's own ``preprocess.py``."""

import os
from pathlib import Path

from swcm_fairseq.cli import COMMANDS, GROUPS

ALL = Path(__file__).with_name("run_without_torch.py")
SCREEN = 40  # lines


def test_every_command_has_help_and_text_to_scores_needs_neither_torch_nor_fairseq(run, sample_data):
    shown = run("python", ALL, sample_data).stdout
    assert shown.splitlines()[-1] == "all commands ran"


def test_the_overview_is_one_screen(run):
    shown = run("swcm", "--help").stdout.splitlines()
    assert len(shown) <= SCREEN and max(map(len, shown)) < 100
    assert {line.split()[0] for line in shown if line.startswith("  ")} == set(COMMANDS)
    assert [line[:-1] for line in shown if line.endswith(":")] == list(GROUPS)


def test_every_module_that_is_a_command_is_in_the_table(repository):
    modules = {
        ".".join(path.relative_to(repository).with_suffix("").parts)
        for folder in ("swcm_fairseq", "preprocess")
        for path in (repository / folder).rglob("*.py")
        if 'if __name__ == "__main__":' in path.read_text("utf-8")
    }
    assert modules - {"swcm_fairseq.cli"} == {command.module for command in COMMANDS.values()}


def test_an_unknown_command_is_one_line(run):
    done = run("swcm", "trian", status=2)
    assert done.stderr == "error: swcm trian: no such command; did you mean swcm train? swcm --help lists them\n"


def test_the_user_dir_is_the_installed_package(run, installed):
    place = Path(run("swcm", "user-dir").stdout.strip())
    assert installed.parent in place.parents and (place / "registration.py").is_file()
    assert run("python", "-m", "swcm_fairseq").stdout == f"{place}\n"


def test_recipes_are_listed_found_and_copied(run, installed, hostile):
    listed = run("swcm", "recipes").stdout
    assert "pretraining/single_gpu.sh " in listed and "manifests/summarization.yaml " in listed
    manifest = Path(run("swcm", "recipes", "--path", "manifests/summarization.yaml").stdout.strip())
    assert manifest.is_file() and installed.parent in manifest.parents
    assert run("swcm", "recipes", "--path", "no-such", status=2).stderr.count("\n") == 1
    run("swcm", "recipes", "--copy", "mine")
    again = run("swcm", "recipes", "--copy", "mine", status=2)
    assert again.stderr == "error: --copy mine: mine/examples already exists; remove it or give another directory\n"
    recipe = hostile / "mine/examples/finetuning/summarization.sh"
    assert os.access(recipe, os.X_OK)


def test_a_copied_recipe_runs_the_installed_commands(run, installed):
    run("swcm", "recipes", "--copy", ".")
    printed = run("/bin/bash", "examples/finetuning/summarization.sh", "--dry-run").stdout
    assert "swcm run examples/manifests/summarization.yaml" in printed and "python -m preprocess" not in printed
    assert f"--user-dir {installed.parent}" in printed


def test_full_help_has_our_options_and_no_noise(run):
    """When it is imported, fairseq sets the root logger to DEBUG and asks for tensorboardX."""
    hide = "import sys; sys.modules['tensorboardX'] = None; sys.argv = ['/bin/swcm', 'train', '--full-help']; "
    done = run("python", "-c", f"{hide}from swcm_fairseq.cli import main; main()")
    assert done.stderr == ""
    assert "--tensorboard-logdir" in done.stdout and "options with --criterion swcm_cross_entropy" in done.stdout
    assert "Please install" not in done.stdout


def test_importing_the_package_leaves_a_scripts_process_unchanged(run):
    script = """
import atexit, sys
registered = []
register = atexit.register
atexit.register = lambda function, *rest, **more: registered.append(function) or register(function, *rest, **more)
import swcm_fairseq
from fairseq.models import ARCH_MODEL_REGISTRY
assert sys.excepthook is sys.__excepthook__
assert not [each for each in registered if str(each.__module__).startswith("swcm_fairseq")]
assert "xlm_swcm_base" in ARCH_MODEL_REGISTRY
"""
    run("python", "-c", script)
