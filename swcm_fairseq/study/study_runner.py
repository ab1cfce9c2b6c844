"""Train, fine-tune and decode the systems of a study; finished work is never repeated."""

import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from swcm_fairseq.errors import InputError, exists
from swcm_fairseq.finished_steps import Step
from swcm_fairseq.recipe_settings import TRAINING_OPTIONS
from swcm_fairseq.reporting.curves import training_curve
from swcm_fairseq.reporting.progress import ERROR, statistics
from swcm_fairseq.scoring.generate_output import read_generation
from swcm_fairseq.study.study_plan import StudyPlan, StudySystem, StudyTask
from swcm_fairseq.study.study_results import RunName, RunResult, best_rate, write_result

LAST = "checkpoint_last.pt"
PARAMETERS = re.compile(r"num\. shared model params: ([\d,]+)")
TASK = ["--user-dir", "swcm_fairseq", "--task", "multilingual_denoising_mt"]


@dataclass(frozen=True)
class Places:
    """The folders that a study reads and writes.

    Attributes:
        encoders: folder of the encoders that systems start from, by name.
        data: folder of the data directories: ``pretraining`` and one per task.
        work: folder of checkpoints and logs.
        results: folder of result files.
    """

    encoders: Path
    data: Path
    work: Path
    results: Path


@dataclass(frozen=True)
class Job:
    """A system at one learning rate and seed: pretraining, and fine-tuning on every task."""

    system: StudySystem
    rate: float
    seed: int


def jobs(plan: StudyPlan, results: list[RunResult]) -> Iterator[Job]:
    """The unfinished jobs that can run now: first all rates at the first seed, then the other seeds at the best rate.

    A system's other seeds wait until all its rates are finished. Jobs follow the plan's order of systems, so the first
    systems can be compared over all seeds before the last systems have started.
    """
    finished = {result.name for result in results}
    for system in plan.systems:
        best = best_rate(results, system.name, plan.scale.rates, plan.scale.seeds[0])
        for seed in plan.scale.seeds:
            rates = plan.scale.rates if seed == plan.scale.seeds[0] else [best] if best is not None else []
            for rate in rates:
                if any(RunName(system.name, task.name, rate, seed) not in finished for task in plan.tasks):
                    yield Job(system, rate, seed)


def check_results(plan: StudyPlan, results: list[RunResult], folder: Path) -> None:
    """Raise :class:`InputError` if a finished run has other numbers of updates than the plan."""
    systems, tasks = {each.name: each for each in plan.systems}, {each.name: each for each in plan.tasks}
    for result in results:
        system, task = systems.get(result.system), tasks.get(result.task)
        if system and task and result.updates != plan.updates(system, task):
            raise InputError(
                f"{folder / result.name.file}: has {result.updates} updates, but the plan says "
                f"{plan.updates(system, task)}; give another --results, or delete the file"
            )


def run(command: list[str], log: Path) -> None:
    """Run a command and write its output to ``log``; raises :class:`InputError` with its error line if it fails."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("a", encoding="utf-8") as file:
        status = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, check=False).returncode
    if status:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
        found = [error for line in lines for error in ERROR.findall(line)]
        said = found[-1] if found else f"status {status}"
        raise InputError(f"{log}: {said}")


def train(plan: StudyPlan, job: Job, updates: int, data: Path, save_dir: Path, options: list[str]) -> None:
    """Run one stage, unless it has already been run with the same options."""
    shared = [*TASK, "--criterion", "swcm_cross_entropy", "--arch", "xlm_swcm", *plan.scale.options]
    schedule = ["--lr", f"{job.rate:g}", "--lr-scheduler", "warmup_linear", "--total-num-update", str(updates)]
    saving = ["--save-dir", str(save_dir), "--keep-interval-updates", "1"]
    command = [sys.executable, "-m", "swcm_fairseq.train", str(data), *TRAINING_OPTIONS, *shared, *schedule, *saving]
    command += ["--max-update", str(updates), "--seed", str(job.seed), *job.system.options, *options]
    step = Step(save_dir / "done.json", str(save_dir), command[1:], writes=[save_dir / LAST])
    step.do(lambda: run(command, save_dir / "train.log"))


def start_options(plan: StudyPlan, job: Job, places: Places, folder: Path) -> list[str]:
    """The options that start fine-tuning from the pretrained system, which is trained first, or from the encoder."""
    from_encoder = ["--pretrained-encoder", str(places.encoders / job.system.encoder)]
    if job.system.pretraining is None:
        return from_encoder
    pretrained = folder / "pretraining"
    options = [*from_encoder, "--disable-validation", *plan.scale.pretraining, *job.system.pretraining]
    train(plan, job, plan.scale.pretraining_updates, places.data / "pretraining", pretrained, options)
    return ["--finetune-from-model", str(pretrained / LAST)]


def generate(task: StudyTask, direction: str, data: Path, folder: Path, device: list[str]) -> list[str]:
    """Decode one test set; return the outputs in line order."""
    corpus, _, languages = direction.partition(":")
    source, _, target = languages.partition("-")
    place = folder / "generated" / direction.replace(":", "-")
    command = ["fairseq-generate", str(data), *TASK, "--corpora", corpus, "--source-lang", source]
    command += ["--target-lang", target, "--gen-subset", "test", "--path", str(folder / LAST), *device]
    command += ["--remove-bpe", "sentencepiece", "--results-path", str(place), *task.generation]
    run(command, folder / "generate.log")
    segments = read_generation(place / "generate-test.txt")
    return [segment.hypothesis or "" for segment in segments]


def read_log(log: Path) -> tuple[int, float, float]:
    """Number of parameters, last validation loss in bits per token, and duration in seconds of a training run.

    Raises:
        InputError: the log contains no validation results.
    """
    text = log.read_text(encoding="utf-8", errors="replace")
    found = [each for each in map(statistics, text.splitlines()) if each]
    losses = [float(numbers["valid_nll_loss"]) for tag, numbers in found if tag == "valid"]
    sizes = PARAMETERS.findall(text)
    if not losses or not sizes:
        raise InputError(f"{log}: contains no validation results; delete its folder and run the study again")
    seconds = max(float(numbers["train_wall"]) for tag, numbers in found if tag == "train")
    return int(sizes[-1].replace(",", "")), losses[-1], seconds


def train_job(plan: StudyPlan, job: Job, places: Places, machine: str) -> Iterator[RunResult]:
    """Run both stages of a job, task by task; write each result as soon as it is ready; finally delete checkpoints."""
    folder = places.work / job.system.name / f"lr-{job.rate:g}.seed-{job.seed}"
    device = [option for option in plan.scale.options if option in ("--cpu", "--fp16", "--bf16")]
    for task in plan.tasks:
        name = RunName(job.system.name, task.name, job.rate, job.seed)
        if exists(places.results / name.file):
            continue
        options = [*start_options(plan, job, places, folder), *task.options]
        data = places.data / task.name
        updates = plan.updates(job.system, task)
        train(plan, job, updates[1], data, folder / task.name, options)
        generation = [each for each in device if each != "--bf16"]
        outputs = {each: generate(task, each, data, folder / task.name, generation) for each in task.directions}
        parameters, loss, seconds = read_log(folder / task.name / "train.log")
        logs = {stage: folder / stage / "train.log" for stage in ("pretraining", task.name)}
        curves = {stage: list(zip(*training_curve(log), strict=True)) for stage, log in logs.items() if log.exists()}
        result = RunResult(
            system=job.system.name,
            task=task.name,
            rate=job.rate,
            seed=job.seed,
            updates=updates,
            parameters=parameters,
            validation_loss=loss,
            seconds=seconds,
            machine=machine,
            curves=curves,
            outputs=outputs,
        )
        write_result(result, places.results)
        yield result
    for checkpoint in folder.glob("*/*.pt"):
        checkpoint.unlink()
