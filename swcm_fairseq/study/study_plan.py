"""The plan of a study: systems, tasks and scales, read from one YAML file."""

import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TypeVar

from swcm_fairseq.checked_data import checked, parse_yaml, read_text
from swcm_fairseq.errors import InputError

METRICS = ("rougeL F1", "rouge1 F1", "rouge2 F1", "BLEU", "chrF2++")  # in the order of scoring.evaluation
DIRECTION = re.compile(r"[^:/]+:[^:/-]+-[^:/-]+")


@dataclass(frozen=True)
class StudySystem:
    """One system.

    Attributes:
        name: name of the system; part of file names.
        tables: tables and figures of the paper in which the system appears.
        options: options of fairseq-train in both stages.
        pretraining: additional options for pretraining; None for a system that is not pretrained.
        encoder: the encoder it starts from; encoders are named by how the rows of new pieces are initialized.
    """

    name: str
    tables: str
    options: list[str] = field(default_factory=list)
    pretraining: list[str] | None = field(default_factory=list)
    encoder: str = "aligned"


@dataclass(frozen=True)
class StudyTask:
    """One fine-tuning task.

    Attributes:
        name: name of the task; its data directory is ``DATA/NAME``.
        directions: ``CORPUS:SOURCE-TARGET`` of each test set.
        metric: the score that compares systems, one of :data:`METRICS`.
        options: options of fairseq-train.
        generation: options of fairseq-generate.
    """

    name: str
    directions: list[str]
    metric: str
    options: list[str] = field(default_factory=list)
    generation: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class StudyScale:
    """How long and with which options all systems are trained.

    Attributes:
        pretraining_updates: number of updates of pretraining.
        task_updates: number of updates of fine-tuning, for each task of this scale.
        options: options of fairseq-train in both stages.
        pretraining: additional options for pretraining.
        rates: learning rates; each system uses the one with the lowest validation loss at the first seed.
        seeds: random seeds of the runs.
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
    """A claim of the paper that one system is better than another.

    Attributes:
        better: name of the better system.
        worse: name of the worse system.
        where: section or table of the paper.
    """

    better: str
    worse: str
    where: str


@dataclass(frozen=True)
class Comparison:
    """The subjects of a study.

    Attributes:
        systems: the systems.
        tasks: the fine-tuning tasks.
        claims: the paper's claims.
    """

    systems: list[StudySystem]
    tasks: list[StudyTask]
    claims: list[Claim]


@dataclass(frozen=True)
class PlanFile(Comparison):
    """The contents of the plan file, for all scales.

    Attributes:
        scales: name -> scale.
        options: options of fairseq-train in both stages at every scale.
    """

    scales: dict[str, StudyScale]
    options: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class StudyPlan(Comparison):
    """A study at one scale."""

    scale: StudyScale

    def updates(self, system: StudySystem, task: StudyTask) -> list[int]:
        """Number of updates in pretraining and in fine-tuning."""
        pretraining = 0 if system.pretraining is None else self.scale.pretraining_updates
        return [pretraining, self.scale.task_updates[task.name]]


Named = TypeVar("Named", StudySystem, StudyTask)


def _chosen(parts: list[Named], names: list[str], place: str) -> list[Named]:
    """The parts with these names; all parts if ``names`` is empty."""
    unknown = set(names) - {part.name for part in parts}
    if unknown:
        raise InputError(
            f"{place}: unknown name {sorted(unknown)[0]}; known names are {', '.join(p.name for p in parts)}"
        )
    return [part for part in parts if not names or part.name in names]


def _check(task: StudyTask, place: str) -> None:
    if task.metric not in METRICS:
        raise InputError(f"{place}: metric: {task.metric!r} is not one of {', '.join(METRICS)}")
    for direction in task.directions:
        if not DIRECTION.fullmatch(direction):
            raise InputError(f"{place}: directions: {direction!r} is not CORPUS:SOURCE-TARGET")


def read_plan(path: Path, scale: str) -> StudyPlan:
    """The plan at one scale.

    Raises:
        InputError: the file is missing, is not a plan, or has no such scale.
    """
    content = checked(parse_yaml(read_text(path), path), PlanFile, str(path))
    if scale not in content.scales:
        raise InputError(f"{path}: unknown scale {scale}; known scales are {', '.join(content.scales)}")
    size = content.scales[scale]
    if not size.rates or not size.seeds:
        raise InputError(f"{path}: scales: {scale}: give at least one rate and one seed")
    for task in content.tasks:
        _check(task, f"{path}: tasks: {task.name}")
    return StudyPlan(
        scale=replace(size, options=[*content.options, *size.options]),
        systems=_chosen(content.systems, size.systems, f"{path}: scales: {scale}: systems"),
        tasks=_chosen(content.tasks, list(size.task_updates), f"{path}: scales: {scale}: task_updates"),
        claims=content.claims,
    )
