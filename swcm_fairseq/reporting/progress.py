"""Show a fairseq-train run as one progress bar.

    fairseq-train --log-format json ... | swcm progress LOG [UNIT]

UNIT is "update" or "epoch"; the total is read from fairseq's log. All output of fairseq is written to LOG. The terminal
shows a bar with the loss, one line per validation and, if the run fails, its error line or else the last lines of the
log.
"""

import argparse
import json
import re
import sys

from tqdm import tqdm

from swcm_fairseq.errors import run_command

TAIL = 15
ERROR = re.compile(
    r"^(?:\[rank\d+\]: )?(error: .*\n)"
)  # with several processes, torch prefixes each line with the rank
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


def follow(log_path: str, unit: str = "update", label: str | None = None, row: int = 0) -> int:
    """Copy standard input to the log and draw the bar ``row`` lines further down; return the exit status."""
    finished = False
    tail: list[str] = []
    errors: list[str] = []
    with open(log_path, "a", encoding="utf-8") as log, tqdm(desc=label, unit=unit, mininterval=1, position=row) as bar:
        for line in sys.stdin:
            log.write(line)
            log.flush()
            tail = [*tail, line][-TAIL:]
            finished = finished or "done training" in line
            errors += ERROR.findall(line)
            if bar.total is None and (total := TOTALS[unit].search(line)):
                bar.total = int(total[1])
            found = statistics(line)
            if found is None:
                continue
            tag, numbers = found
            if tag == "train_inner":
                bar.set_postfix_str(f"loss {numbers['loss']}", refresh=False)
            elif tag == "valid":
                bar.write(validation(numbers))
            if (unit, tag) in COUNTERS:
                bar.update(round(float(numbers[COUNTERS[unit, tag]]), 2) - bar.n)
    if not finished:
        last_words = errors[:1] or [*tail, f"training stopped early; the whole log is {log_path}\n"]
        sys.stderr.writelines(last_words)
    return 0 if finished else 1


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        prog="swcm progress", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("log_path", metavar="LOG", help="file to which all output is appended")
    parser.add_argument("unit", metavar="UNIT", nargs="?", choices=["update", "epoch"], default="update")
    parser.add_argument("--label", metavar="TEXT", help="label in front of the bar")
    parser.add_argument("--row", type=int, default=0, metavar="N", help="line of the bar, if several are shown")
    sys.exit(follow(**vars(parser.parse_args())))


if __name__ == "__main__":
    run_command(main)
