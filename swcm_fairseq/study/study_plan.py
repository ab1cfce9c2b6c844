"""What a study trains: systems, tasks and the sizes of a scale, read from one YAML file."""

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TypeVar

import yaml

from swcm_fairseq.errors import InputError

Part = TypeVar("Part")


@dataclass(frozen=True)
class StudySystem:
    """One system.

    Attributes:
        name: of the system; part of file names.
        tables: where it appears in the paper.
        options: of fairseq-train in both stages.
        pretraining: further options of pretraining; None for a system that is not pretrained.
        encoder: which of the study's encoders it starts from, by how the rows of new pieces start.
    """

    name: str
    tables: str
    options: list[str] = field(default_factory=list)
    pretraining: list[str] | None = field(default_factory=list)
    encoder: str = "aligned"


@dataclass(frozen=True)
class StudyTask:
    """One fine-tuning.

    Attributes:
        name: of the task; its data directory is ``DATA/NAME``.
        directions: ``CORPUS:SOURCE-TARGET`` of each test set.
        metric: ``rougeL F1``, ``chrF2++`` or ``BLEU``: the score that systems are compared by.
        options: of fairseq-train.
        generation: of fairseq-generate.
    """

    name: str
    directions: list[str]
    metric: str
    options: list[str] = field(default_factory=list)
    generation: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class StudyScale:
    """How much is trained; the same for every system.

    Attributes:
        pretraining_updates: of pretraining.
        task_updates: of fine-tuning, for each task of this scale.
        options: of fairseq-train in both stages.
        pretraining: further options of pretraining.
        rates: learning rates; each system takes the one with the lowest validation loss at the first seed.
        seeds: of the runs.
        systems: names of the systems at this scale; empty for all.
    """

    pretraining_updates: int
    task_updates: dict[str, int]
    options: list[str]
    pretraining: list[str]
    rates: list[float]
    seeds: list[int]
    systems: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Claim:
    """An order that the paper reports.

    Attributes:
        better: name of a system.
        worse: name of another.
        where: section or table.
    """

    better: str
    worse: str
    where: str


@dataclass(frozen=True)
class StudyPlan:
    """A study at one scale."""

    scale: StudyScale
    systems: list[StudySystem]
    tasks: list[StudyTask]
    claims: list[Claim]


Named = TypeVar("Named", StudySystem, StudyTask)


def _part(kind: type[Part], content: object, place: str) -> Part:
    """``content`` as a dataclass; raises :class:`InputError` for other keys than its fields."""
    known = {each.name for each in fields(kind)}  # type: ignore[arg-type]
    if not isinstance(content, dict) or not content.keys() <= known:
        unknown = sorted(content.keys() - known) if isinstance(content, dict) else [content]
        raise InputError(f"{place}: {unknown[0]!r} is not one of {', '.join(sorted(known))}")
    try:
        return kind(**content)
    except TypeError as error:
        raise InputError(f"{place}: {error}") from error


def _chosen(parts: list[Named], names: list[str], place: str) -> list[Named]:
    """The parts with these names, or all of them without names."""
    unknown = set(names) - {part.name for part in parts}
    if unknown:
        raise InputError(f"{place}: {sorted(unknown)[0]} is not in the plan; give {', '.join(p.name for p in parts)}")
    return [part for part in parts if not names or part.name in names]


def read_plan(path: Path, scale: str) -> StudyPlan:
    """The plan at one scale.

    Raises:
        InputError: the file is missing, is not a plan, or has no such scale.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise InputError(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict) or not {"scales", "systems", "tasks", "claims"} <= content.keys():
        raise InputError(f"{path}: give scales, systems, tasks and claims")
    if scale not in content["scales"]:
        raise InputError(f"{path}: no scale {scale}; give {', '.join(content['scales'])}")
    size = _part(StudyScale, content["scales"][scale], f"{path}: scales: {scale}")
    systems = [_part(StudySystem, each, f"{path}: systems") for each in content["systems"]]
    tasks = [_part(StudyTask, each, f"{path}: tasks") for each in content["tasks"]]
    return StudyPlan(
        scale=size,
        systems=_chosen(systems, size.systems, f"{path}: scales: {scale}: systems"),
        tasks=_chosen(tasks, list(size.task_updates), f"{path}: scales: {scale}: task_updates"),
        claims=[_part(Claim, each, f"{path}: claims") for each in content["claims"]],
    )
