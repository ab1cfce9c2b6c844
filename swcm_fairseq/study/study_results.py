"""Results of a study's runs: one compressed JSON file per run, small enough to be committed."""

import json
import lzma
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from swcm_fairseq.checked_data import checked, parse_json, read_text
from swcm_fairseq.errors import InputError
from swcm_fairseq.output_files import write_whole
from swcm_fairseq.packed_files import read_unpacked

SUFFIX = ".json.xz"
REFERENCES = "references"
SIDES = {"title": "title", "reading": "target"}  # kind of monolingual pairs -> name of the target side


@dataclass(frozen=True)
class RunName:
    """What identifies a run.

    Attributes:
        system: name of the system.
        task: name of the task.
        rate: peak learning rate of both stages.
        seed: random seed of initialization, sampling and noise.
    """

    system: str
    task: str
    rate: float
    seed: int

    @property
    def file(self) -> str:
        """Name of the result file."""
        return f"{self.system}.{self.task}.lr-{self.rate:g}.seed-{self.seed}{SUFFIX}"


@dataclass(frozen=True)
class RunResult(RunName):
    """The result of a run.

    Attributes:
        updates: updates of pretraining and of fine-tuning.
        parameters: number of parameters of the model.
        validation_loss: loss at the end of fine-tuning, in bits per token.
        seconds: duration of the fine-tuning run.
        machine: processor and number of threads.
        curves: ``pretraining`` or the task -> (update, training loss), every ten updates.
        outputs: direction -> one hypothesis per line of the test set.
    """

    updates: list[int]
    parameters: int
    validation_loss: float
    seconds: float
    machine: str
    curves: dict[str, list[tuple[int, float]]]
    outputs: dict[str, list[str]]

    @property
    def name(self) -> RunName:
        """The part that identifies the run."""
        return RunName(self.system, self.task, self.rate, self.seed)


def write_result(result: RunResult, folder: Path) -> None:
    """Write the result file of a run, atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / result.name.file
    content = json.dumps(asdict(result), ensure_ascii=False, indent=0).encode("utf-8")
    write_whole(path, lzma.compress(content, preset=9))


def read_results(folder: Path) -> list[RunResult]:
    """All results in a folder, sorted by file name; raises :class:`InputError` for a file that is not a result."""
    results = []
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        try:
            result = checked(parse_json(read_text(path), path), RunResult, str(path))
        except InputError as error:
            raise InputError(f"{error}; delete the file and run the study again") from error
        if result.name.file != path.name:
            raise InputError(f"{path}: contains the result {result.name.file}; rename the file")
        results.append(result)
    return results


def write_references(directions: Iterable[str], text: Path, folder: Path) -> None:
    """Write the references of the test sets, needed for the report, to ``folder/references``.

    Args:
        directions: ``CORPUS:SOURCE-TARGET`` of each test set.
        text: the text that was binarized, in the layout of examples/quickstart/data/libreoffice.
        folder: the folder of results.

    Raises:
        OSError: a file of the text is missing.
    """
    for direction in directions:
        corpus, _, languages = direction.partition(":")
        source, _, target = languages.partition("-")
        kind = corpus.removesuffix(f"_{target}")  # title_bo, within a language, or zh-bo
        name = f"{kind}.{target}.test.{SIDES[kind]}" if source == target else f"{corpus}.test.{target}"
        write_whole(references_of(folder, direction), read_unpacked(text / f"{name}.xz"))


def references_of(folder: Path, direction: str) -> Path:
    """The file with the references of a test set."""
    return folder / REFERENCES / f"{direction.replace(':', '.')}.txt"


def best_rate(results: list[RunResult], system: str, rates: list[float], seed: int) -> float | None:
    """The learning rate with the lowest mean validation loss of a system over its tasks, at one seed.

    Returns:
        the rate; None while runs are missing.
    """
    losses: dict[float, dict[str, float]] = {rate: {} for rate in rates}
    for result in results:
        if result.system == system and result.seed == seed and result.rate in losses:
            losses[result.rate][result.task] = result.validation_loss
    tasks = {task for by_task in losses.values() for task in by_task}
    if not tasks or any(by_task.keys() != tasks for by_task in losses.values()):
        return None
    return min(rates, key=lambda rate: sum(losses[rate].values()))
