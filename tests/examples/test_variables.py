"""Recipes check environment variables before using them, because bash would run a command inside a "number"."""

import os
import re
import subprocess

import pytest

from swcm_fairseq.recipe_settings import VARIABLES

RECIPES = (
    "examples/pretraining/single_gpu.sh",
    "examples/pretraining/several_machines.sh",
    "examples/pretraining/continued_mlm.sh",
    "examples/finetuning/translation.sh",
    "examples/ablations/run.sh",
    "examples/quickstart/run.sh",
)
NUMBERS = ("GPUS", "MACHINES", "MACHINE", "PER_GPU", "OMP_NUM_THREADS", "SLURM_JOB_ID", "SLURM_NODEID")


def refused(recipe, repository, **variables) -> str:
    done = subprocess.run(
        ["bash", repository / recipe, "--dry-run"],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        cwd=repository,
    )
    assert done.returncode == 2 and done.stdout == ""
    (line,) = done.stderr.splitlines()
    return line


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_command_instead_of_a_number_is_not_run(recipe, repository, tmp_path):
    trap = tmp_path / "executed"
    for variable in NUMBERS:
        line = refused(recipe, repository, **{variable: f"PATH[$(touch {trap})]"})
        assert line.startswith("error: ") and f"=PATH[$(touch {trap})]: give a number of at least" in line
        assert not trap.exists()


MISTAKES = {
    "GPUS=0": "give a number of at least 1",
    "GPUS=08": "give a number of at least 1",
    "PER_GPU=99999999999999999999": "give a number of at least 1",
    "MACHINE=-1": "give a number of at least 0",
    "SCALE=huge": "use full or smoke",
    "PRECISION=int4": "use fp16, bf16 or fp32",
    "RENDEZVOUS=first": "give the name of machine 0 and a free port",
    "DIRECTIONS=zh-bo $(date)": "write SOURCE-TARGET",
    "RUNS=--help": "give a path",
    "OUT=a\nb": "give a path",
    "SIZE=huge": "use base or large",
    "COMPARE=yes": "use 0 or 1",
    "EXPAND=yes": "use 0 or 1",
    "LANGUAGES=bo,ug": "give codes, such as bo ug",
    "DENSITIES=0.2 $(date)": "give numbers up to 1",
    "WEIGHTS=2": "give numbers up to 1",
    "LAMBDAS=1,0": "give numbers up to 1",
    "TASK_CORPUS=a b": "give the name of a corpus",
    "GENERATE=--beam 4\n--cpu": "give options on one line",
    "OMP_WAIT_POLICY=lazy": "use ACTIVE or PASSIVE",
}


@pytest.mark.parametrize(("setting", "fix"), MISTAKES.items())
def test_values(setting, fix, repository):
    variable, _, value = setting.partition("=")
    assert fix in refused("examples/finetuning/translation.sh", repository, **{variable: value})


def test_every_variable_with_a_default_is_checked(repository):
    """One table lists all environment variables of recipes."""
    for path in [*(repository / "examples").rglob("*.sh"), *(repository / "examples").rglob("*.sbatch")]:
        for variable in re.findall(r"\b([A-Z][A-Z_]+)=\$\{\1:-", path.read_text()):
            assert variable in VARIABLES, f"{path}: {variable}"
