"""The study: its plan, the order of its runs, its statistics, and its verdicts on the paper's claims."""

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from swcm_fairseq.errors import InputError
from swcm_fairseq.recipe_settings import TRAINING_OPTIONS
from swcm_fairseq.study import study_runner
from swcm_fairseq.study.study_analysis import interval, judged, metric_named, resampled, score_system
from swcm_fairseq.study.study_plan import Claim, StudyPlan, StudyScale, StudySystem, StudyTask, read_plan
from swcm_fairseq.study.study_report import check_outputs, write_report
from swcm_fairseq.study.study_results import (
    RunResult,
    best_rate,
    read_results,
    references_of,
    write_references,
    write_result,
)
from swcm_fairseq.study.study_runner import check_results, jobs

PLAN = Path(__file__).parents[2] / "examples" / "study" / "plan.yaml"
DIRECTION = "title_zh:zh-zh"
REFERENCES = [f"第{number}个标题" for number in "一二三四五六七八九十"]


def plan(systems: tuple[str, str] = ("xlm-swcm", "no-ws"), rates=(0.1, 0.2), seeds=(1, 2)) -> StudyPlan:
    scale = StudyScale(1, {"titles": 1}, [], [], list(rates), list(seeds))
    task = StudyTask("titles", [DIRECTION], "rougeL F1")
    return StudyPlan([StudySystem(name, "3") for name in systems], [task], [Claim(*systems, "Table 3")], scale)


def result(system="xlm-swcm", rate=0.1, seed=1, loss=1.0, outputs=None) -> RunResult:
    curves = {"titles": [(10, 3.0), (20, 2.0)]}
    texts = {DIRECTION: outputs or REFERENCES}
    return RunResult(system, "titles", rate, seed, [1, 1], 100, loss, 1.0, "a machine", curves, texts)


@pytest.mark.parametrize("scale", ["smoke", "cpu", "gpu"])
def test_the_plan_names_real_options(scale):
    """Every option in the plan is an option of fairseq-train or fairseq-generate."""
    from fairseq import options
    from fairseq.utils import import_user_module

    import_user_module(options.get_parser("x", "translation").parse_args(["--user-dir", "swcm_fairseq"]))
    real = read_plan(PLAN, scale)
    fixed = ["data", "--task", "multilingual_denoising_mt", "--criterion", "swcm_cross_entropy", "--arch", "xlm_swcm"]
    for system in real.systems:
        given = [
            *TRAINING_OPTIONS,
            *real.scale.options,
            *system.options,
            *real.scale.pretraining,
            *(system.pretraining or []),
        ]
        parser = options.get_training_parser()
        options.parse_args_and_arch(parser, [*fixed, "--lr-scheduler", "warmup_linear", *given])
    for task in real.tasks:
        fixed = ["data", "--task", "multilingual_denoising_mt"]
        options.parse_args_and_arch(options.get_generation_parser(), [*fixed, *task.generation])


SCALE = "{pretraining_updates: 1, task_updates: {}, options: [], pretraining: [], rates: [0.1], seeds: [1]}"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[", "not YAML"),
        ("a: 1", "unknown key 'a'; known keys are systems, tasks, claims, scales"),
        ("{scales: {cpu: {seed: 1}}, systems: [], tasks: [], claims: []}", "unknown key 'seed'"),
        ("{scales: {}, systems: [], tasks: [], claims: []}", "unknown scale cpu"),
        ("{scales: {cpu: SCALE}, systems: [{}], tasks: [], claims: []}", "the key 'name' is missing"),
        (
            "{scales: {cpu: SCALE}, systems: [], tasks: [{name: x, directions: [zh-zh], metric: BLEU}], claims: []}",
            "'zh-zh' is not CORPUS:SOURCE-TARGET",
        ),
        (
            "{scales: {cpu: SCALE}, systems: [], tasks: [{name: x, directions: [], metric: BLEURT}], claims: []}",
            "'BLEURT' is not one of",
        ),
    ],
)
def test_a_bad_plan_is_one_line(tmp_path, content, message):
    (tmp_path / "plan.yaml").write_text(content.replace("SCALE", SCALE))
    with pytest.raises(InputError, match=message) as error:
        read_plan(tmp_path / "plan.yaml", "cpu")
    assert "\n" not in str(error.value)


def test_the_rate_has_the_lowest_validation_loss():
    runs = [result(rate=0.1, loss=2.0), result(rate=0.2, loss=1.5), result(rate=0.2, seed=2, loss=9.0)]
    assert best_rate(runs, "xlm-swcm", [0.1, 0.2], 1) == 0.2
    assert best_rate(runs[:1], "xlm-swcm", [0.1, 0.2], 1) is None


def test_the_grid_comes_first_and_nothing_is_done_twice():
    def listed(done):
        return [(job.system.name, job.rate, job.seed) for job in jobs(plan(), done)]

    assert listed([]) == [(name, rate, 1) for name in ("xlm-swcm", "no-ws") for rate in (0.1, 0.2)]
    done = [result(rate=0.1, loss=1.0), result(rate=0.2, loss=2.0)]
    assert listed(done) == [("xlm-swcm", 0.1, 2), ("no-ws", 0.1, 1), ("no-ws", 0.2, 1)]
    done.append(result(rate=0.1, seed=2))
    assert listed(done) == [("no-ws", 0.1, 1), ("no-ws", 0.2, 1)]


def test_results_are_read_back_and_damage_is_reported(tmp_path):
    write_result(result(), tmp_path)
    assert read_results(tmp_path)[0].outputs == result().outputs
    path = next(tmp_path.iterdir())
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match=r"damaged compressed file: .*delete the file and run the study again"):
        read_results(tmp_path)


def test_a_result_must_fit_its_test_set(tmp_path):
    with pytest.raises(InputError, match=r"xlm-swcm.titles.*: 0 outputs for the 3 references of other:zh-zh"):
        check_outputs([result()], "other:zh-zh", 3)


def test_a_result_must_have_its_name(tmp_path):
    write_result(result(), tmp_path)
    next(tmp_path.iterdir()).rename(tmp_path / "another.json.xz")
    with pytest.raises(InputError, match=r"contains the result xlm-swcm.titles.*; rename the file"):
        read_results(tmp_path)


def test_intervals_cover_items_and_seeds():
    """Two different seeds widen the interval; with two equal seeds, only the spread of the items remains."""
    metric = metric_named("rougeL F1", "zh")
    random = np.random.default_rng(0)
    same = np.ones((2, 50, 4)) * random.random((1, 50, 1))
    same[..., 0] = 1
    apart = same.copy()
    apart[1, :, 1:] /= 4
    widths = [high - low for low, high in (interval(resampled(metric, [stats])[:, 0]) for stats in (same, apart))]
    assert widths[1] > 2 * widths[0] > 0


@pytest.mark.parametrize(
    ("ours", "theirs", "word"),
    [
        (REFERENCES, ["别的"] * 10, "confirmed"),
        (["别的"] * 10, REFERENCES, "contradicted"),
        (REFERENCES, REFERENCES, "not confirmed"),
    ],
)
def test_verdicts_on_claims(ours, theirs, word):
    metric = metric_named("rougeL F1", "zh")
    runs = {"xlm-swcm": ours, "no-ws": theirs}
    scores = {
        name: score_system(metric, [result(name, outputs=texts)], DIRECTION, REFERENCES) for name, texts in runs.items()
    }
    found = judged(metric, Claim("xlm-swcm", "no-ws", "Table 3"), scores)
    assert found is not None
    assert found.word == word
    assert judged(metric, Claim("xlm-swcm", "x9", "Table 3"), scores) is None


def test_a_claim_that_seeds_disagree_on_is_not_confirmed():
    """All items are better in one of three runs, none in the others: significant over items, but not over seeds."""
    metric = metric_named("rougeL F1", "zh")
    texts = {"xlm-swcm": [REFERENCES, ["别的"] * 10, ["别的"] * 10], "no-ws": [["别的"] * 10] * 3}
    scores = {
        name: score_system(
            metric, [result(name, seed=i, outputs=each) for i, each in enumerate(runs)], DIRECTION, REFERENCES
        )
        for name, runs in texts.items()
    }
    found = judged(metric, Claim("xlm-swcm", "no-ws", "Table 3"), scores)
    assert found is not None
    assert found.p < 0.05 and found.difference > 0 and found.low <= 0 <= found.high
    assert found.word == "not confirmed"


def test_the_report(tmp_path):
    (tmp_path / "references").mkdir()
    (tmp_path / "references" / "title_zh.zh-zh.txt").write_text("".join(f"{line}\n" for line in REFERENCES))
    runs = [
        result(name, rate, 1, rate, ["别的"] * 10 if name == "no-ws" else None)
        for name in ("xlm-swcm", "no-ws")
        for rate in (0.1, 0.2)
    ]
    markdown, page, numbers = write_report(plan(), runs, tmp_path, None)
    text = markdown.read_text()
    assert "4 of 6 runs are finished" in text
    cells = " ".join(text.split())
    assert "xlm-swcm > no-ws | Table 3 | confirmed: +100.0 (+100.0 to +100.0), p 0.00" in cells
    assert "别的" in page.read_text()
    assert json.loads(numbers.read_text())[0]["systems"]["xlm-swcm"]["score"] == 100


def test_results_of_another_plan_are_refused(tmp_path):
    changed = replace(result(), updates=[7, 8])
    study = plan()
    wanted = study.updates(study.systems[0], study.tasks[0])
    check_results(study, [replace(result(), updates=wanted), replace(changed, system="of another plan")], tmp_path)
    with pytest.raises(InputError, match=re.escape(f"has [7, 8] updates, but the plan says {wanted}; give another")):
        check_results(study, [changed], tmp_path)


@pytest.mark.parametrize("scale", ["cpu"])
def test_committed_results_match_the_plan(scale):
    place = PLAN.parent / "results" / scale
    check_results(read_plan(PLAN, scale), read_results(place), place)


def test_a_stage_is_repeated_only_with_other_options(tmp_path, monkeypatch):
    trained = []

    def run(command, log):
        trained.append(command)
        (tmp_path / "run").mkdir(exist_ok=True)
        (tmp_path / "run" / study_runner.LAST).touch()

    monkeypatch.setattr(study_runner, "run", run)
    job = study_runner.Job(plan().systems[0], 0.1, 1)
    for options in ([], [], ["--dropout", "0"], ["--dropout", "0"]):
        study_runner.train(plan(), job, 3, tmp_path / "data", tmp_path / "run", options)
    assert len(trained) == 2 and trained[1][-2:] == ["--dropout", "0"]
    (tmp_path / "run" / study_runner.LAST).unlink()
    study_runner.train(plan(), job, 3, tmp_path / "data", tmp_path / "run", ["--dropout", "0"])
    assert len(trained) == 3


def test_references_come_from_the_text(tmp_path, repository):
    text = repository / "examples/quickstart/data/libreoffice"
    directions = ["title_bo:bo-bo", "title_zh:zh-zh", "zh-bo:zh-bo"]
    write_references(directions, text, tmp_path)
    for direction in directions:
        committed = references_of(PLAN.parent / "results/cpu", direction)
        assert references_of(tmp_path, direction).read_bytes() == committed.read_bytes()
    with pytest.raises(FileNotFoundError):
        write_references(["zh-bo:bo-zh"], tmp_path, tmp_path)
