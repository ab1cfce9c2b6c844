"""What a recipe's shell gets from ``swcm recipe-settings``."""

import subprocess

import pytest

from swcm_fairseq.errors import InputError
from swcm_fairseq.recipe_settings import Settings, accepted, assignments, description, processes, settings
from swcm_fairseq.reporting import ablation_grid

USAGE = "examples/a/recipe.sh [--name NAME] [--part I/N] [--dry-run] [SYSTEM...] [-- OPTION...]\n"


def test_the_usage_line_says_which_options_a_recipe_takes(repository, tmp_path):
    known = {"--help", "-h"}
    assert accepted(USAGE) == known | {"--name", "--part", "--dry-run", "WORDS", "--"}
    assert accepted("  bash examples/a/recipe.sbatch --dry-run\n") == known | {"--dry-run"}
    assert accepted("SCALE=smoke examples/a/recipe.sh   on a CPU\nrecipe.sh does it\n") == known
    recipe = tmp_path / "recipe.sh"
    recipe.write_text("#!/usr/bin/env bash\n# What it does.\n#\n#   a/b.sh SET\nset -e\n# no part of it\n")
    assert description(recipe) == "What it does.\n\n  a/b.sh SET\n"
    assert accepted(description(recipe)) == known | {"WORDS"}


def test_all_values_reach_the_shell_as_they_are():
    extra = ["--lr", "1e-4", "a b", "$(touch x)", "it's", "--", ""]
    chosen = settings(["--name", "x.1", "one", "--part", "2/4", "two", "--", *extra], accepted(USAGE), "xlm-swcm", "r")
    assert chosen == Settings("x.1", part="2/4", words=["one", "two"], extra=extra)
    lines = "\n".join(assignments(chosen, processes({"GPUS": "2", "PRECISION": "bf16"}, dry_run=False)))
    script = 'eval "$1"; printf "%s|" "$NAME" "$PART" "$DRY_RUN" "${WORDS[@]}" "${EXTRA[@]}" "${TRAIN[@]}"'
    shown = subprocess.run(["bash", "-c", script, "bash", lines], capture_output=True, text=True, check=True).stdout
    train = ["torchrun", "--standalone", "--nproc_per_node", "2", "--no-python", "swcm", "train"]
    assert shown.split("|")[:-1] == ["x.1", "2/4", "0", "one", "two", *extra, *train]


def test_processes():
    alone = processes({}, dry_run=False)
    assert (alone.processes, alone.train) == (1, ["fairseq-train"])
    assert alone.share == ["--distributed-world-size", "1", "--fp16"]
    second = processes({"MACHINES": "2", "MACHINE": "1", "GPUS": "4", "RENDEZVOUS": "first:1", "SCALE": "smoke"}, False)
    assert (second.machines, second.machine, second.processes) == (2, 1, 8)
    assert second.train[:5] == ["torchrun", "--nnodes", "2", "--node_rank", "1"]
    assert "--gradient-as-bucket-view" in second.share and "gloo" in second.share and "--fp16" not in second.share
    with pytest.raises(InputError, match="RENDEZVOUS is not set"):
        processes({"MACHINES": "2"}, dry_run=False)
    with pytest.raises(InputError, match="MACHINE=2: number the 2 machines from 0 to 1"):
        processes({"MACHINES": "2", "MACHINE": "2"}, dry_run=True)


def test_unreadable_recipes(tmp_path):
    recipe = tmp_path / "recipe.sh"
    with pytest.raises(InputError, match="No such file"):
        description(recipe)
    recipe.touch()
    assert description(recipe) == ""
    recipe.write_bytes(b"\n# \xff")
    with pytest.raises(InputError, match=r"recipe\.sh:2: invalid UTF-8"):
        description(recipe)


@pytest.mark.parametrize(
    ("part", "message"), [("0/0", "write I/N"), ("1", "write I/N"), ("3/2", "there are only 2 parts")]
)
def test_parts_that_do_not_exist(monkeypatch, part, message):
    monkeypatch.setattr("sys.argv", ["swcm ablation-grid", "--part", part])
    with pytest.raises(InputError, match=f"--part {part}: {message}"):
        ablation_grid.main()
