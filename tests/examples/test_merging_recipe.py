"""The model merging recipe: the commands it prints, each of which the command's parser accepts."""

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from swcm_fairseq.merge.__main__ import build_parser


@pytest.fixture
def recipe(repository, tmp_path):
    def run(*options: str, **variables: str) -> subprocess.CompletedProcess:
        environment = {"PATH": os.environ["PATH"], "RUNS": str(tmp_path / "my runs"), **variables}
        command = ["bash", str(repository / "examples/merging/summarization.sh"), *options]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)

    return run


def of(program: str, done: subprocess.CompletedProcess) -> list[list[str]]:
    """The printed commands that run ``program``, as words."""
    assert done.returncode == 0, done.stderr
    lines = [shlex.split(line) for line in done.stdout.splitlines() if line and not line.startswith("#")]
    return [words for words in lines if f" {program} " in f" {' '.join(words)} "]


def value(option: str, words: list[str]) -> str:
    return words[words.index(option) + 1]


def test_no_model_sees_a_summary_of_the_language(recipe, tmp_path):
    trainings = {
        value("--save-dir", words).split("/")[-1]: value("--corpora", words)
        for words in of("fairseq-train", recipe("--dry-run"))
    }
    assert trainings == {
        "task": "summarization_zh",
        "ct-bo": "dae_bo,dae_zh", "ctsft-bo": "summarization_zh",
        "ct-ug": "dae_ug,dae_zh", "ctsft-ug": "summarization_zh",
    }  # fmt: skip
    assert not list(tmp_path.iterdir())


def test_the_grid_is_the_papers_and_is_chosen_on_validation(recipe, tmp_path):
    done = recipe("--dry-run", LANGUAGES="bo")
    merges = of("swcm merge", done)
    place = f"{tmp_path}/my runs/merging/summarization"
    grid = [build_parser().parse_args(words[2:]) for words in merges if "/grid/" in value("--output", words)]
    assert {str(args.models[0]) for args in grid} == {f"{place}/task/checkpoint_best.pt"}
    assert {str(args.models[1]) for args in grid} == {f"{place}/ct-bo/checkpoint_last.pt"}
    densities = [0.01, 0.2, 0.4, 0.6, 0.8, 1.0]
    ties = [args for args in grid if args.method == "ties"]
    assert [args.densities for args in ties] == [[task, language] for task in densities for language in densities]
    assert {str(args.base) for args in ties} == {f"{tmp_path}/my runs/pretraining/xlm-swcm/checkpoint_last.pt"}
    assert [args.weights for args in grid if args.method == "average"] == [
        [0.2, 0.8], [0.4, 0.6], [0.6, 0.4], [0.8, 0.2],
    ]  # fmt: skip
    assert [args.scale for args in grid if args.method == "task-arithmetic"] == [0.4, 0.6, 0.8, 1.0]
    [slack] = [words for words in merges if value("--method", words) == "ties-sv"]
    assert value("--densities", slack) == f"<best of {place}/grid/ties-bo>"
    splits = {value("--gen-subset", words): value("--path", words) for words in of("fairseq-generate", done)}
    assert "/grid/" in splits["valid"] and "/grid/" not in splits["test"]


def test_a_grid_of_one_setting_is_not_scored(recipe):
    done = recipe("--dry-run", LANGUAGES="bo", WEIGHTS="0.3", DENSITIES="0.6", LAMBDAS="0.8")
    merges = [build_parser().parse_args(words[2:]) for words in of("swcm merge", done)]
    assert len(merges) == 4 and not any("/grid/" in str(args.output) for args in merges)
    assert [args.weights for args in merges if args.method == "average"] == [[0.3, 0.7]]
    assert [args.scale for args in merges if args.method == "task-arithmetic"] == [0.8]
    assert [args.densities for args in merges if args.method.startswith("ties")] == [[0.6, 0.6]] * 2


def test_own_data_and_options(recipe):
    done = recipe(
        "--dry-run", "--", "--cpu", LANGUAGES="bo", PRETRAINING_DATA="text", TASK_DATA="titles", TASK_CORPUS="title_zh",
        LENGTH="48", GENERATE="--restrict-decoding --beam 2",
    )  # fmt: skip
    trainings = {value("--save-dir", words).split("/")[-1]: words for words in of("fairseq-train", done)}
    assert {name: (words[1], value("--corpora", words)) for name, words in trainings.items()} == {
        "task": ("titles", "title_zh"), "ct-bo": ("text", "dae_bo,dae_zh"), "ctsft-bo": ("titles", "title_zh"),
    }  # fmt: skip
    assert value("--language-share", trainings["ct-bo"]) == "zh=0.25" and "--cpu" in trainings["ct-bo"]
    for words in of("fairseq-generate", done):
        assert words[1] == "titles" and words[-3:] == ["--restrict-decoding", "--beam", "2"]
    assert {value("--tokens-per-sample", words) for words in trainings.values()} == {"48"}
    assert not of("swcm run", done)


def test_two_languages_are_merged_at_once(recipe):
    done = recipe("--dry-run", DENSITIES="1.0")
    [words] = [words for words in of("swcm merge", done) if "/ties-all/" in value("--output", words)]
    models = [word.split("/")[-2] for word in words[2 : words.index("--method")]]
    assert models == ["task", "ct-bo", "ct-ug"] and value("--densities", words).count(",") == 2
    tested = [value("--results-path", words) for words in of("fairseq-generate", done)][-2:]
    assert [path.split("/")[-3] for path in tested] == ["ties-all-bo", "ties-all-ug"]


STUB = """#!/usr/bin/env bash
echo "$*" >>"$LOG"
case $1 in
  recipe-settings | step | merge-settings) exec "$OURS" "$@" ;;
  best-setting) echo "$CHOSEN" && exit ;;
  merge)
    while [ "$1" != --output ]; do shift; done
    mkdir -p "$(dirname "$2")" && touch "$2"
    ;;
esac
echo done training
"""


def test_another_best_setting_is_merged_and_tested_again(recipe, tmp_path):
    """Every program that does work is replaced by one that only records its arguments; steps are recorded as usual."""
    log = tmp_path / "log"
    for name in (
        "bin/swcm",
        "bin/fairseq-train",
        "bin/fairseq-generate",
        "encoder/dict.txt",
        "data/dict.txt",
        "base.pt",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(STUB)
        (tmp_path / name).chmod(0o755)
    places = {"ENCODER": "encoder", "PRETRAINING_DATA": "data", "TASK_DATA": "data", "LOG": "log"}
    variables = {name: str(tmp_path / place) for name, place in places.items()}
    variables["OURS"] = str(Path(sys.executable).with_name("swcm"))
    variables["PATH"] = f"{tmp_path / 'bin'}:{os.environ['PATH']}"

    def densities(best: str) -> list[str]:
        """The densities of the merges that are tested, which come after those of the grid."""
        log.write_text("")
        done = recipe(
            "--start",
            str(tmp_path / "base.pt"),
            CHOSEN=best,
            DENSITIES="0.2 1.0",
            WEIGHTS="0.5",
            LAMBDAS="1.0",
            **variables,
        )
        assert done.returncode == 0, done.stderr
        merges = [line.split() for line in log.read_text().splitlines() if line.startswith("merge ")]
        return [value("--densities", words) for words in merges if "--shares" in words and "--densities" in words]

    assert densities("0.2,1.0") == ["0.2,1.0"] * 4 + [
        "0.2,1.0,1.0"
    ]  # TIES and TIES-SV in two languages, and all at once
    assert densities("0.2,1.0") == []
    assert densities("0.6,0.4") == ["0.6,0.4"] * 4 + ["0.6,0.4,0.4"]


def test_a_missing_base_is_one_line(recipe):
    done = recipe()
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "checkpoint_last.pt is missing; make it: RUNS=" in done.stderr
