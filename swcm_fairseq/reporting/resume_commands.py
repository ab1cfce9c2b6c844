"""The command that continues a run."""

import shlex
from pathlib import Path

from swcm_fairseq.reporting.ablation_grid import read_grid
from swcm_fairseq.reporting.runs import PRETRAINING

OURS = "xlm-swcm"  # in the grid, but has its own recipes
MBART = {"mbart-cm": [], "mbart-cm-expanded": ["EXPAND=1"]}  # name -> variables for its recipe
# Directory of runs -> variables for the recipes.
ENVIRONMENTS = {Path("runs"): "", Path("runs/smoke"): "SCALE=smoke "}


def command(root: Path, run: Path) -> str:
    """The command that continues a run in any directory of runs.

    A run whose name no recipe uses is continued by the recipe of its task; the user must add the options that the run
    was started with.
    """
    environment = ENVIRONMENTS.get(root, f"RUNS={shlex.quote(str(root))} ")
    return environment + shlex.join(_words(*run.relative_to(root).parts))


def _words(stage: str, *task_and_name: str) -> list[str]:
    *task, name = task_and_name
    if name in MBART:
        return [*MBART[name], "examples/baselines/mbart_cm.sh"]
    if stage == "merging":
        return [f"examples/merging/{task[0]}.sh"]
    column = "pretraining" if stage == PRETRAINING else "system"
    systems = {row[column]: row["system"] for row in reversed(read_grid())}  # the first row of several counts
    if name in systems and name != OURS and stage != "crosslingual":
        return ["examples/ablations/run.sh", systems[name]]
    recipe = "single_gpu" if stage == PRETRAINING else task[0]
    return [f"examples/{stage}/{recipe}.sh", "--name", name]
