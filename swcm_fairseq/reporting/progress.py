"""Show a training run as one progress bar with the loss, and one line per validation."""

import json
import re
import sys
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

TAIL = 15
# An error message; the rank (with several processes) or the program (in argparse) may precede it.
ERROR = re.compile(r"(?:^|: )(error: .*\n?)")
# (Unit of the bar, tag of a log line) -> key of the number of finished units.
COUNTERS = {
    ("update", "train_inner"): "num_updates",
    ("update", "train"): "train_num_updates",
    ("update", "valid"): "valid_num_updates",
    ("epoch", "train_inner"): "update",
    ("epoch", "train"): "epoch",
}
# The total number of units, in the first log line of fairseq_cli.train (log_filters.py); 0 means no limit of this kind.
TOTALS = {"update": re.compile(r"--max-update (\d+)"), "epoch": re.compile(r"--max-epoch (\d+)")}


def statistics(line: str) -> tuple[str, dict[str, str]] | None:
    """The tag and the numbers of one of fairseq's JSON log lines, or None for any other line."""
    parts = line.split(" | ", 3)
    if len(parts) != 4 or not parts[3].startswith("{"):
        return None
    try:
        numbers = json.loads(parts[3])
    except json.JSONDecodeError:  # a line truncated by a kill
        return None
    return parts[2].strip(), numbers


def validation(numbers: dict[str, str]) -> str:
    """The results of a validation on one line."""
    rouge = f", ROUGE-L {numbers['valid_rouge_l']}" if "valid_rouge_l" in numbers else ""
    return f"  update {numbers['valid_num_updates']}: validation loss {numbers['valid_loss']}{rouge}"


def last_words(lines: list[str], log: Path) -> list[str]:
    """What to show of a command that failed: its error line, or the end and the path of its log."""
    errors = [line for text in lines for line in ERROR.findall(text)]
    return errors[:1] or [*lines[-TAIL:], f"the whole log is {log}\n"]


def follow(lines: Iterable[str], log: Path, unit: str = "update", label: str | None = None, row: int = 0) -> int:
    """Copy the output of a training run to its log and draw a bar; if it fails, print :func:`last_words`.

    Args:
        lines: the output of a training run with ``--log-format json``; fairseq's log states the number of updates.
        log: the file to append the lines to.
        unit: the unit that the bar counts, ``update`` or ``epoch``.
        label: the text in front of the bar.
        row: the row of the bar if several are drawn at once.

    Returns:
        0 if the training run was completed, otherwise 1.
    """
    finished = False
    tail: list[str] = []
    errors: list[str] = []
    with log.open("a", encoding="utf-8") as file, tqdm(desc=label, unit=unit, mininterval=1, position=row) as bar:
        for line in lines:
            file.write(line)
            file.flush()
            tail = [*tail, line][-TAIL:]
            errors += ERROR.findall(line)
            finished = finished or "done training" in line
            _draw(bar, line, unit)
    if not finished:
        sys.stderr.writelines(last_words([*errors[:1], *tail], log))
    return 0 if finished else 1


def _draw(bar: tqdm, line: str, unit: str) -> None:
    """Update the bar from a line of the log."""
    if bar.total is None and (total := TOTALS[unit].search(line)):
        bar.total = int(total[1])
    tag, numbers = statistics(line) or ("", {})
    if tag == "train_inner":
        bar.set_postfix_str(f"loss {numbers['loss']}", refresh=False)
    elif tag == "valid":
        bar.write(validation(numbers))
    if (unit, tag) in COUNTERS:
        bar.update(round(float(numbers[COUNTERS[unit, tag]]), 2) - bar.n)
