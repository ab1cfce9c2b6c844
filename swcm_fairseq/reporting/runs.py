"""The contents of a directory of runs: scores of finished runs, and what unfinished runs lack."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swcm_fairseq.checkpoint_state import Checkpoint
from swcm_fairseq.errors import InputError
from swcm_fairseq.reporting.paper import Column, Paper, Row
from swcm_fairseq.restoring import LAST
from swcm_fairseq.scoring.evaluation import Evaluation
from swcm_fairseq.scoring.score_report import read_json

LOG_FILE = "train.log"
PRETRAINING = "pretraining"


@dataclass(frozen=True)
class Origin:
    """How a number was computed; only numbers of the same origin can be compared.

    Attributes:
        signature: signature of the metric.
        segments: number of lines of the test set.
    """

    signature: str
    segments: int

    def __str__(self) -> str:
        return f"{self.signature}, {self.segments:,} lines"


@dataclass(frozen=True)
class Cell:
    """One of our numbers, in percent.

    Attributes:
        score: the number.
        interval: half the width of the bootstrap 95% interval; None if there is no interval.
        origin: how the score was computed.
    """

    score: float
    interval: float | None
    origin: Origin

    def __str__(self) -> str:
        return f"{self.score:.1f}" + ("" if self.interval is None else f" ± {self.interval:.1f}")


class Runs:
    """The runs below one directory.

    Attributes:
        root: the directory.
        damaged: the error for each file that could not be read.
    """

    def __init__(self, root: Path):
        self.root = root
        self.damaged: dict[Path, InputError] = {}
        self._read: dict[Path, Evaluation] = {}

    def cell(self, row: Row, column: Column) -> Cell | None:
        """Our number for a cell of a table; None if its run has not been scored."""
        if row.run is None:
            return None
        return self.number(self.root / column.task / (row.run + column.suffix), column.scores, column.value)

    def number(self, run: Path, scores: str, value: str) -> Cell | None:
        """One number of a run; None if its file is missing or cannot be read, which is recorded in ``damaged``."""
        path = run / "scores" / f"{scores}.json"
        if path in self.damaged or not path.is_file():
            return None
        try:
            evaluation = self._evaluation(path)
            return _cell(evaluation, value, path)
        except InputError as error:
            self.damaged[path] = error
            return None

    def _evaluation(self, path: Path) -> Evaluation:
        if path not in self._read:
            self._read[path] = read_json(path)
        return self._read[path]

    def directories(self, task: str) -> list[Path]:
        """All runs of a task, sorted by name."""
        return sorted(path for path in (self.root / task).glob("*") if path.is_dir())

    def unfinished(self, paper: Paper) -> Iterator[tuple[Path, str]]:
        """Unfinished runs and what each of them lacks."""
        for task in (PRETRAINING, *paper.tasks):
            for run in self.directories(task):
                missing = [
                    name for name in paper.scores_of(task, run.name) if not (run / "scores" / f"{name}.json").is_file()
                ]
                if not missing and task != PRETRAINING:
                    continue
                if task != PRETRAINING and paper.is_scored_only(task, run.name):
                    continue
                progress, trained = self._training(run)
                if missing and trained:
                    progress += f", no scores of {', '.join(missing)}"
                if missing or not trained:
                    yield run, progress

    def _training(self, run: Path) -> tuple[str, bool]:
        """The progress of the training of a run, and whether it is finished; damage is recorded."""
        if not (run / LAST).is_file():
            return "no checkpoint yet", False
        try:
            return training_progress(run / LAST)
        except InputError as error:
            self.damaged[run / LAST] = error
            return f"{LAST} cannot be read", False


def training_progress(checkpoint: Path) -> tuple[str, bool]:
    """The progress of training at a checkpoint, such as ``update 120 of 500``, and whether training was finished.

    Raises:
        InputError: the file is not a checkpoint of fairseq-train.
    """
    from swcm_fairseq.interop.files import load_pickle  # imports torch, which only unfinished runs need

    state: Checkpoint = load_pickle(checkpoint)
    try:
        limits = state["cfg"]["optimization"]
        max_epoch, max_update = limits["max_epoch"], limits["max_update"]
        epoch = state["extra_state"]["train_iterator"]["epoch"]
        updates = state["optimizer_history"][-1]["num_updates"]
    except (LookupError, TypeError) as error:
        raise InputError(f"{checkpoint}: not a checkpoint of fairseq-train; delete it and train again") from error
    if max_update > 0:
        return f"update {updates:,} of {max_update:,}", updates >= max_update
    if max_epoch > 0:
        return f"epoch {min(epoch, max_epoch)} of {max_epoch}, update {updates:,}", epoch > max_epoch
    return f"update {updates:,}", False


def _cell(evaluation: Evaluation, value: str, path: Path) -> Cell:
    """One number of a scores file.

    Raises:
        InputError: the file contains several systems, or lacks the number.
    """
    if len(evaluation.systems) != 1:
        raise InputError(f"{path}: scores of {len(evaluation.systems)} systems; score again with one system per file")
    found, signature = evaluation.systems[0].values.get(value), evaluation.signatures.get(value.split()[0])
    if found is None or signature is None:
        raise InputError(f"{path}: has no {value} or no signature for it; score again with swcm score")
    return Cell(found.score, found.interval, Origin(signature, evaluation.segments))
