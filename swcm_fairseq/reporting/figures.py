"""Plots of a report: Figure 4, and the training curves of every kind of run."""

from pathlib import Path

from swcm_fairseq.pictures import load_pyplot, write_picture
from swcm_fairseq.reporting.curves import draw_curves
from swcm_fairseq.reporting.filled_tables import FilledTable
from swcm_fairseq.reporting.runs import LOG_FILE, PRETRAINING, Runs


def draw_table(filled: FilledTable, output: Path) -> bool:
    """Plot a table whose systems are numbers: one curve per column, with 95% intervals; False without any score yet."""
    pyplot = load_pyplot()
    figure, axes = pyplot.subplots(figsize=(5, 3.5), layout="constrained")
    drawn = False
    for i, column in enumerate(filled.table.columns):
        points = [
            (int(row.system), cell.score, cell.interval or 0.0)
            for row, cells in zip(filled.table.rows, filled.cells, strict=True)
            if (cell := cells[i]) is not None
        ]
        if points:
            x, y, half = zip(*points, strict=True)
            axes.errorbar(x, y, yerr=half, label=column.heading, marker="o", capsize=3)
            drawn = True
    if drawn:
        axes.set(
            xlabel=filled.table.figure, ylabel="ROUGE-L F1 (percent)", xticks=[int(r.system) for r in filled.table.rows]
        )
        axes.legend()
        write_picture(figure, output)
    pyplot.close(figure)
    return drawn


def draw_training(runs: Runs, tasks: list[str], output: Path) -> list[Path]:
    """Write one plot per task, such as ``curves-finetuning-summarization.png``, with all runs that have a log."""
    written = []
    for task in (PRETRAINING, *tasks):
        logs = {run.name: run / LOG_FILE for run in runs.directories(task) if (run / LOG_FILE).is_file()}
        if logs:
            path = output / f"curves-{task.replace('/', '-')}.png"
            draw_curves({task: logs}, path)
            written.append(path)
    return written
