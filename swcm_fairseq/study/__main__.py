"""``swcm study``: run a study, or report its results.

You can interrupt a study at any time; the same command continues it. Finished runs are kept in RESULTS, and an
unfinished training run continues from its last checkpoint.
"""

import argparse
import os
import platform
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import replace
from pathlib import Path

from tqdm import tqdm

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.study.study_plan import StudyPlan, read_plan
from swcm_fairseq.study.study_report import write_report
from swcm_fairseq.study.study_results import RunResult, read_results, write_references
from swcm_fairseq.study.study_runner import Job, Places, check_results, jobs, train_job


def machine() -> str:
    """The processor, and the number of threads of a training run."""
    names = [line.partition(":")[2].strip() for line in _cpuinfo() if line.startswith("model name")]
    return f"{names[0] if names else platform.machine()}, {os.environ.get('OMP_NUM_THREADS', 'all')} thread(s)"


def _cpuinfo() -> list[str]:
    path = Path("/proc/cpuinfo")
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


def run_job(plan: StudyPlan, job: Job, places: Places, bar: tqdm) -> None:
    """Run one job and print its results above the progress bar."""
    for result in train_job(plan, job, places, machine()):
        bar.update()
        bar.write(
            f"{result.system}, {result.task}, lr {result.rate:g}, seed {result.seed}: "
            f"validation loss {result.validation_loss:.3f}, {result.seconds:.0f} s"
        )


def run_study(plan: StudyPlan, places: Places, at_once: int) -> None:
    """Run all unfinished jobs, ``at_once`` at a time; the first failure ends the study."""
    finished = read_results(places.results)
    check_results(plan, finished, places.results)
    total = len(plan.systems) * len(plan.tasks) * (len(plan.scale.rates) + len(plan.scale.seeds) - 1)
    running: dict[Future[None], Job] = {}
    with tqdm(total=total, initial=len(finished), unit="run", smoothing=0) as bar, ThreadPoolExecutor(at_once) as pool:
        while True:
            for job in jobs(plan, read_results(places.results)):
                if len(running) < at_once and job not in running.values():
                    running[pool.submit(run_job, plan, job, places, bar)] = job
            if not running:
                return
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                del running[future]
                future.result()


def with_data(plan: StudyPlan, data: Path) -> StudyPlan:
    """The plan, reduced to the tasks with a data directory; prints which tasks are left out.

    Raises:
        InputError: no task has a data directory.
    """
    tasks = [task for task in plan.tasks if (data / task.name).is_dir()]
    for task in plan.tasks:
        if task not in tasks:
            print(f"left out: {task.name}, because {data / task.name} does not exist")
    if not tasks:
        raise InputError(f"{data}: no data for any task of the plan; run examples/study/run.sh")
    return replace(plan, tasks=tasks)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("study", __doc__)
    parser.add_argument("action", choices=["run", "report"], help="train missing runs, or only write the report")
    parser.add_argument("--plan", type=Path, default=Path("examples/study/plan.yaml"), metavar="YAML")
    parser.add_argument("--scale", required=True, metavar="NAME", help="scale of the plan: smoke, cpu or gpu")
    parser.add_argument(
        "--encoders", type=Path, metavar="DIR", help="encoders that systems start from: DIR/aligned and others"
    )
    parser.add_argument("--data", type=Path, metavar="DIR", help="data directories: pretraining and one per task")
    parser.add_argument("--work", type=Path, metavar="DIR", help="checkpoints and logs")
    parser.add_argument(
        "--text", type=Path, metavar="DIR", help="folder of the text with the references of the test sets"
    )
    parser.add_argument("--results", type=Path, required=True, metavar="DIR", help="results and report")
    parser.add_argument("--jobs", type=int, default=1, metavar="N", help="simultaneous training runs (default: 1)")
    return parser


def report(plan: StudyPlan, results: list[RunResult], folder: Path) -> None:
    """Write the report and print its paths."""
    if not results:
        raise InputError(f"{folder}: contains no finished runs; run examples/study/run.sh first")
    from swcm_fairseq.study.study_curves import draw  # matplotlib takes a second to import

    for path in write_report(plan, results, folder, draw(plan, results, folder / "curves.png")):
        print(path)


def main() -> None:
    """Run the command line."""
    args = build_parser().parse_args()
    plan = read_plan(args.plan, args.scale)
    if args.action == "run":
        if args.encoders is None or args.data is None or args.work is None:
            raise InputError("run needs --encoders, --data and --work; give all three")
        if args.jobs < 1:
            raise InputError(f"--jobs {args.jobs}: must be at least 1")
        plan = with_data(plan, args.data)
        if args.text is not None:
            write_references([each for task in plan.tasks for each in task.directions], args.text, args.results)
        run_study(plan, Places(args.encoders, args.data, args.work, args.results), args.jobs)
    report(plan, read_results(args.results), args.results)


if __name__ == "__main__":
    run_command(main)
