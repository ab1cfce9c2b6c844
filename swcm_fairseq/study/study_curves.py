"""Plot the training losses of a study's systems, each at its best learning rate and the first seed."""

from pathlib import Path

from swcm_fairseq.pictures import load_pyplot, write_picture
from swcm_fairseq.study.study_plan import StudyPlan
from swcm_fairseq.study.study_report import chosen_runs
from swcm_fairseq.study.study_results import RunResult


def draw(plan: StudyPlan, results: list[RunResult], path: Path) -> Path | None:
    """Draw one panel for pretraining and one per task; return ``path``, or None without results."""
    by_task = {task.name: chosen_runs(plan, results, task.name) for task in plan.tasks}
    by_task = {task: runs for task, runs in by_task.items() if runs}
    if not by_task:
        return None
    panels = {"pretraining": next(iter(by_task.values())), **by_task}
    pyplot = load_pyplot()
    figure, grid = pyplot.subplots(1, len(panels), figsize=(5 * len(panels), 4), layout="constrained", squeeze=False)
    for axes, (stage, runs) in zip(grid[0], panels.items(), strict=True):
        for name, each in runs.items():
            if stage in each[0].curves:
                axes.plot(*zip(*each[0].curves[stage], strict=True), label=name, linewidth=1)
        axes.set(title=stage, xlabel="update", ylabel="loss (bits)")
    grid[0][-1].legend(fontsize="x-small")
    write_picture(figure, path, dpi=100)
    pyplot.close(figure)
    return path
