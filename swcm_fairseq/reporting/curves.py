"""Plot training losses from fairseq's JSON logs, in panels side by side, each with the curves of one or several runs.

    swcm curves --output loss.png \\
        --panel pretraining xlm-swcm=runs/pretraining/xlm-swcm/train.log
"""

import argparse
from pathlib import Path

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.output_files import check_distinct
from swcm_fairseq.pictures import check_picture, load_pyplot, write_picture
from swcm_fairseq.reporting.progress import statistics

WIDTH, HEIGHT = 4, 3  # size of a panel in inches
# (Tag of a log line, key of its number of updates, key of its loss), the finer-grained ones first.
TRAINING_LINES = (("train_inner", "num_updates", "loss"), ("train", "train_num_updates", "train_loss"))


def training_curve(log: Path) -> tuple[list[int], list[float]]:
    """Updates and training losses of one run; if an update was repeated after an interruption, the later line counts.

    A run shorter than its ``--log-interval`` has one point per epoch.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise InputError(f"{log}: {error.strerror}; give the log of a training run") from error
    found = [each for each in map(statistics, lines) if each]
    for wanted, update, loss in TRAINING_LINES:
        rows = [numbers for tag, numbers in found if tag == wanted]
        try:
            points = {int(numbers[update]): float(numbers[loss]) for numbers in rows}
        except (KeyError, ValueError, TypeError) as error:
            raise InputError(
                f"{log}: {update} or {loss} is missing or not a number in a line of {wanted}; the log is damaged"
            ) from error
        if points:
            return sorted(points), [points[number] for number in sorted(points)]
    return [], []


def draw_curves(panels: dict[str, dict[str, Path]], output: Path) -> None:
    """Write a plot of training losses.

    Args:
        panels: title -> name of a run -> its log.
        output: file to write, such as ``loss.png``; the extension determines the format.

    Raises:
        InputError: a log cannot be read, or the plot cannot be written.
    """
    check_picture("--output", output)
    pyplot = load_pyplot()
    figure, grid = pyplot.subplots(
        1, len(panels), figsize=(WIDTH * len(panels), HEIGHT), layout="constrained", squeeze=False
    )
    for axes, (title, logs) in zip(grid[0], panels.items(), strict=True):
        for name, log in logs.items():
            axes.plot(*training_curve(log), label=name, marker=".", markersize=3)
        axes.set(title=title, xlabel="update", ylabel="loss (bits)")
        axes.legend(fontsize="small")
    write_picture(figure, output)
    pyplot.close(figure)


def parse_panels(arguments: list[list[str]]) -> dict[str, dict[str, Path]]:
    """``[["pretraining", "xlm-swcm=a.log"], ...]`` in the form that :func:`draw_curves` expects."""
    panels: dict[str, dict[str, Path]] = {}
    for title, *curves in arguments:
        pairs = [curve.partition("=") for curve in curves]
        if not pairs or not all(name and log for name, _, log in pairs):
            raise InputError(f"--panel {' '.join([title, *curves])}: expected TITLE NAME=LOG [NAME=LOG ...]")
        panels[title] = {name: Path(log) for name, _, log in pairs}
    return panels


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("curves", __doc__)
    parser.add_argument("--output", type=Path, required=True, help="file to write (.png, .svg, .pdf)")
    parser.add_argument(
        "--panel",
        nargs="+",
        action="append",
        required=True,
        metavar=("TITLE", "NAME=LOG"),
        help="title, then name and log (--log-format json) of each curve; give the option once per panel",
    )
    return parser


def main() -> None:
    """Run the command line."""
    args = build_parser().parse_args()
    panels = parse_panels(args.panel)
    check_distinct([log for logs in panels.values() for log in logs.values()], [args.output])
    draw_curves(panels, args.output)
    print(f"Loss curves: {args.output}")


if __name__ == "__main__":
    run_command(main)
