"""Show a fairseq-train run as one progress bar: ``fairseq-train --log-format json ... | progress.py LOG UPDATES``.

Everything that fairseq says goes to LOG; the terminal gets a bar with the loss, a line per validation, and, if the
run fails, the last lines of the log.
"""

import json
import sys

from tqdm import tqdm

TAIL = 15


def statistics(line: str) -> tuple[str, dict[str, str]] | None:
    """The tag and the numbers of one of fairseq's JSON log lines, or None for any other line."""
    parts = line.split(" | ", 3)
    if len(parts) != 4 or not parts[3].startswith("{"):
        return None
    try:
        numbers = json.loads(parts[3])
    except json.JSONDecodeError:  # a line cut by a kill
        return None
    return parts[2].strip(), numbers


def main(log_path: str, updates: int) -> int:
    """Copy standard input to the log and draw the bar; returns the exit status."""
    finished, tail = False, []
    with open(log_path, "a", encoding="utf-8") as log, tqdm(total=updates, unit="update", mininterval=1) as bar:
        for line in sys.stdin:
            log.write(line)
            log.flush()
            tail = [*tail, line][-TAIL:]
            finished = finished or "done training" in line
            found = statistics(line)
            if found is None:
                continue
            tag, numbers = found
            if tag == "train_inner":
                bar.set_postfix_str(f"loss {numbers['loss']}", refresh=False)
                bar.update(int(numbers["num_updates"]) - bar.n)
            elif tag == "valid":
                bar.write(f"  update {numbers['valid_num_updates']}: validation loss {numbers['valid_loss']}")
                bar.update(int(numbers["valid_num_updates"]) - bar.n)
    if not finished:
        sys.stderr.write("".join(tail) + f"training stopped early; the whole log is {log_path}\n")
    return 0 if finished else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], int(sys.argv[2])))
