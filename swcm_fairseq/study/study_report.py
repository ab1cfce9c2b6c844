"""Write a study's results as Markdown, as a web page and as JSON."""

import base64
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from tabulate import tabulate

from swcm_fairseq.checked_data import read_text
from swcm_fairseq.errors import InputError
from swcm_fairseq.output_files import write_whole
from swcm_fairseq.scoring.page import Output, Sample, escape, html_page
from swcm_fairseq.study.study_analysis import StudyScore, Verdict, judged, metric_named, p_value, score_system
from swcm_fairseq.study.study_plan import Claim, StudyPlan, StudyTask
from swcm_fairseq.study.study_results import RunResult, best_rate, references_of

FIRST = "xlm-swcm"  # the system that the others are compared with
SAMPLES = 4


@dataclass
class TestTable:
    """One test set: the scores of all systems, and comparisons between them.

    Attributes:
        task: name of the task.
        direction: the test set.
        metric: name of the score.
        signature: what the numbers depend on.
        scores: scores by system, in the order of the plan.
        p_values: p-value of the difference from XLM-SWCM, by system.
        claims: the verdict on each of the paper's claims.
    """

    task: str
    direction: str
    metric: str
    signature: str
    scores: dict[str, StudyScore]
    p_values: dict[str, float]
    claims: dict[Claim, Verdict]


def chosen_runs(plan: StudyPlan, results: list[RunResult], task: str) -> dict[str, list[RunResult]]:
    """The runs of each system at its best learning rate, in the plan's order; systems without runs are left out."""
    chosen: dict[str, list[RunResult]] = {}
    for system in plan.systems:
        rate = best_rate(results, system.name, plan.scale.rates, plan.scale.seeds[0])
        runs = [run for run in results if (run.system, run.task, run.rate) == (system.name, task, rate)]
        if runs:
            chosen[system.name] = sorted(runs, key=lambda run: run.seed)
    return chosen


def read_references(folder: Path, direction: str) -> list[str]:
    """The references of a test set, one per line; raises :class:`InputError` if the file is missing."""
    path = references_of(folder, direction)
    if not path.exists():
        raise InputError(f"{path}: no such file; examples/study/run.sh writes it")
    return read_text(path).removesuffix("\n").split("\n")


def check_outputs(runs: list[RunResult], direction: str, items: int) -> None:
    """Raise :class:`InputError` if a run does not have one output per item of a test set."""
    for run in runs:
        found = len(run.outputs.get(direction, []))
        if found != items:
            raise InputError(
                f"{run.name.file}: {found} outputs for the {items} references of {direction}; "
                "delete the file and run the study again"
            )


def test_table(
    plan: StudyPlan, task: StudyTask, direction: str, runs: dict[str, list[RunResult]], references: list[str]
) -> TestTable:
    """Score and compare the systems on one test set."""
    check_outputs([run for each in runs.values() for run in each], direction, len(references))
    metric = metric_named(task.metric, direction.rpartition("-")[2])
    scores = {name: score_system(metric, each, direction, references) for name, each in runs.items()}
    first = scores.get(FIRST)
    p_values = {name: p_value(metric, first, score) for name, score in scores.items() if first and name != FIRST}
    verdicts = {claim: judged(metric, claim, scores) for claim in plan.claims}
    claims = {claim: verdict for claim, verdict in verdicts.items() if verdict is not None}
    signature = str(metric.get_signature())
    return TestTable(task.name, direction, task.metric, signature, scores, p_values, claims)


def score_rows(table: TestTable, runs: dict[str, list[RunResult]]) -> tuple[list[str], list[list[str]]]:
    """Headers and rows of a test set's table."""
    headers = [
        "system",
        "parameters",
        "rate",
        "seeds",
        table.metric,
        "95% interval",
        "by seed",
        "p",
        "different",
        "lang.",
    ]
    rows = []
    for name, score in table.scores.items():
        run = runs[name][0]
        rows.append(
            [
                name,
                f"{run.parameters / 1e6:.1f}M",
                f"{run.rate:g}",
                str(score.seeds),
                f"{score.score:.1f}",
                f"{score.low:.1f} to {score.high:.1f}",
                " ".join(f"{each:.1f}" for each in score.by_seed),
                f"{table.p_values[name]:.3f}" if name in table.p_values else "",
                f"{score.different:.0f}",
                "" if score.language is None else f"{score.language:.0f}%",
            ]
        )
    return headers, rows


def claim_rows(tables: list[TestTable]) -> tuple[list[str], list[list[str]]]:
    """One row per claim of the paper, one column per test set."""
    orders = list(dict.fromkeys(claim for table in tables for claim in table.claims))
    headers = ["the paper's order", "where", *(table.direction for table in tables)]
    rows = [
        [f"{order.better} > {order.worse}", order.where, *(_verdict(table.claims.get(order)) for table in tables)]
        for order in orders
    ]
    return headers, rows


def _verdict(verdict: Verdict | None) -> str:
    """A cell of the table of claims."""
    if verdict is None:
        return ""
    return f"{verdict.word}: {verdict.difference:+.1f} ({verdict.low:+.1f} to {verdict.high:+.1f}), p {verdict.p:.3f}"


def sample_rows(table: TestTable, runs: dict[str, list[RunResult]], references: list[str]) -> list[Sample]:
    """A few test items with the output of each system's first run."""
    step = max(1, len(references) // SAMPLES)
    return [
        Sample(
            i, None, [references[i]], [Output(name, each[0].outputs[table.direction][i]) for name, each in runs.items()]
        )
        for i in range(0, len(references), step)[:SAMPLES]
    ]


def progress_line(plan: StudyPlan, results: list[RunResult]) -> str:
    """How much of the study is finished."""
    tasks = len(plan.tasks)
    wanted = len(plan.systems) * tasks * (len(plan.scale.rates) + len(plan.scale.seeds) - 1)
    systems, seeds = len(plan.systems), len(plan.scale.seeds)
    return f"{len(results)} of {wanted} runs are finished ({systems} systems, {tasks} tasks, {seeds} seeds)."


def write_report(plan: StudyPlan, results: list[RunResult], folder: Path, curves: Path | None) -> list[Path]:
    """Write ``report.md``, ``report.html`` and ``scores.json`` to ``folder``; return their paths."""
    tables, page = [], []
    samples: list[Sample] = []
    markdown = ["# Results of the study", progress_line(plan, results)]
    for task in plan.tasks:
        runs = chosen_runs(plan, results, task.name)
        for direction in task.directions if runs else []:
            references = read_references(folder, direction)
            table = test_table(plan, task, direction, runs, references)
            tables.append(table)
            headers, rows = score_rows(table, runs)
            markdown += [
                f"## {task.name}, {direction}",
                tabulate(rows, headers, tablefmt="github", disable_numparse=True),
            ]
            markdown.append(f"`{table.signature}`")
            page += [f"<h2>{task.name}, {escape(direction)}</h2>"]
            page += [
                tabulate(rows, headers, tablefmt="html", disable_numparse=True),
                f"<p>{escape(table.signature)}</p>",
            ]
            samples += sample_rows(table, runs, references)
    headers, rows = claim_rows(tables)
    markdown.insert(2, tabulate(rows, headers, tablefmt="github"))
    page.insert(0, tabulate(rows, headers, tablefmt="html"))
    if curves is not None:
        picture = base64.b64encode(curves.read_bytes()).decode()
        page.append(f'<h2>Losses</h2>\n<img alt="loss curves" src="data:image/png;base64,{picture}">')
    return _write(folder, markdown, page, samples, tables)


def _write(
    folder: Path, markdown: list[str], page: list[str], samples: list[Sample], tables: list[TestTable]
) -> list[Path]:
    contents = {
        "report.md": "\n\n".join(markdown) + "\n",
        "report.html": html_page(samples, "Results of the study", "\n".join(page)) if samples else "",
        "scores.json": json.dumps([_numbers(table) for table in tables], indent=1) + "\n",
    }
    for name, content in contents.items():
        write_whole(folder / name, content.encode("utf-8"))
    return [folder / name for name in contents]


def _numbers(table: TestTable) -> dict[str, object]:
    """A test set's numbers, for other programs."""
    systems = {
        name: {"score": score.score, "interval": [score.low, score.high], "by_seed": score.by_seed}
        for name, score in table.scores.items()
    }
    return {
        "task": table.task,
        "direction": table.direction,
        "metric": table.metric,
        "signature": table.signature,
        "systems": systems,
        "p_values": table.p_values,
        "claims": [asdict(claim) | asdict(verdict) for claim, verdict in table.claims.items()],
    }
