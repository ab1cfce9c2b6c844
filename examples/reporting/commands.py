"""The command that goes on with a run."""

import shlex
from pathlib import Path

from reporting.runs import PRETRAINING

EXAMPLES = Path(__file__).resolve().parents[1]
GRID = EXAMPLES / "ablations" / "grid.tsv"
BASELINES = {"cino-transformer": "examples/baselines/cino_transformer.sh", "mbart-cm": "examples/baselines/mbart_cm.sh"}
PRETRAINING_RECIPE = "examples/pretraining/single_gpu.sh"


def grid_names(path: Path = GRID) -> list[str]:
    """Names of the systems of the ablations."""
    lines = path.read_text(encoding="utf-8").splitlines()
    return [line.split("\t")[0] for line in lines if line and not line.startswith("#")]


def command(root: Path, run: Path) -> str:
    """What to type to go on with a run, wherever the runs lie.

    Systems of the paper have a recipe of their own; another run is that of its task with its name, to which the
    options have to be added that it was started with.
    """
    stage, *task, name = run.relative_to(root).parts
    if name in BASELINES:
        words = [BASELINES[name]]
    elif name in grid_names():
        words = ["examples/ablations/run.sh", name]
    elif stage == PRETRAINING:
        words = [PRETRAINING_RECIPE, "--name", name]
    else:
        words = [f"examples/{stage}/{task[0]}.sh", "--name", name]
    return " ".join([f"RUNS={shlex.quote(str(root))}", shlex.join(words)])
