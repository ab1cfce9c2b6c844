"""The recipes: the commands they print, the inputs they refuse, and the sizes they compute. Nothing is trained here."""

import os
import re
import shlex
import shutil
import subprocess

import pytest

PRETRAINING = ["single_gpu.sh", "multi_gpu.sh", "several_machines.sh", "slurm.sbatch"]
FINETUNING = {
    "finetuning/summarization.sh": ["bo"],
    "finetuning/reading_comprehension.sh": ["bo"],
    "finetuning/translation.sh": ["zh-bo", "bo-zh"],
    "crosslingual/summarization.sh": ["zh", "bo", "ug", "mn", "kk"],
    "crosslingual/reading_comprehension.sh": ["zh", "bo", "ug", "mn", "kk"],
}
RECIPES = [*(f"pretraining/{name}" for name in PRETRAINING), *FINETUNING]
SHELL_ONLY = "/usr/bin:/bin"  # neither fairseq-train nor the environment's python


@pytest.fixture
def recipe(repository, tmp_path):
    """Run a recipe from another directory and return the finished process. The path of the runs contains a space."""

    def run(name: str, *options: str, path: str = SHELL_ONLY, **variables: str) -> subprocess.CompletedProcess:
        environment = {"PATH": path, "RUNS": str(tmp_path / "my runs"), **variables}
        command = ["bash", str(repository / "examples" / name), *options]
        return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)

    return run


def commands(done: subprocess.CompletedProcess) -> list[list[str]]:
    """The commands that --dry-run printed, as lists of words."""
    assert done.returncode == 0, done.stderr
    return [shlex.split(line) for line in done.stdout.splitlines() if line and not line.startswith("#")]


def of(program: str, printed: list[list[str]]) -> list[list[str]]:
    """The commands that run ``program``."""
    return [words for words in printed if f" {program} " in f" {' '.join(words)} "]


def value(option: str, words: list[str]) -> str:
    """The value of an option; its last occurrence counts."""
    return words[len(words) - words[::-1].index(option)]


def error_line(done: subprocess.CompletedProcess, status: int) -> str:
    """The error message, which must be a single line."""
    assert done.returncode == status, done.stdout + done.stderr
    assert done.stderr.count("\n") == 1 and done.stderr.startswith("error: "), done.stderr
    return done.stderr


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("scale", ["full", "smoke"])
def test_a_dry_run_prints_commands_and_runs_nothing(recipe, tmp_path, name, scale):
    done = recipe(name, "--dry-run", SCALE=scale)
    assert of("fairseq-train", commands(done))
    assert not list(tmp_path.iterdir())
    assert subprocess.run(["bash", "-n"], input=done.stdout, text=True).returncode == 0


@pytest.mark.parametrize("name", RECIPES)
def test_both_scales_have_the_same_commands(recipe, name):
    """Except for the options from the table of sizes in lib.sh, and the encoder that the smoke scale makes."""
    added = {"--fp16", "--cpu", "--samples-per-epoch", "--eval-samples", "--eval-args", "--max-len-b"}

    def shape(scale: str) -> list[list[str]]:
        printed = commands(recipe(name, "--dry-run", SCALE=scale))
        options = [[word for word in words if word.startswith("--") and word not in added] for words in printed]
        return [
            [words[0], *(option for option in found if not re.match("--d(istributed-[^w]|dp-)", option))]
            for words, found in zip(printed, options, strict=True)
            if words[0] != "examples/smoke/encoder.sh"
        ]

    assert shape("full") == shape("smoke")


@pytest.mark.parametrize("name", PRETRAINING)
def test_pretraining_is_the_papers(recipe, name):
    [words] = of("fairseq-train", commands(recipe(f"pretraining/{name}", "--dry-run")))
    expected = {
        "--arch": "xlm_swcm_base", "--max-epoch": "8", "--tokens-per-sample": "256", "--sampling-alpha": "0.3",
        "--long-documents": "truncate", "--adam-betas": "(0.9,0.999)", "--weight-decay": "0.01", "--clip-norm": "1.0",
        "--lr-scheduler": "warmup_linear", "--warmup-init-lr": "1e-5", "--lr": "1e-4", "--batch-size": "75",
        "--teacher-forcing-final-ratio": "0", "--teacher-forcing-decay-unit": "epochs",
        "--teacher-forcing-decay-start": "1", "--pretrained-encoder": "encoders/cino-base-v2",
        "--samples-per-epoch": "1340235",
    }  # fmt: skip
    assert {option: value(option, words) for option in expected} == expected
    assert "--fp16" in words
    for variables in ({"MANIFEST": "mine.yaml"}, {"DATA": "mine"}):
        [words] = of("fairseq-train", commands(recipe(f"pretraining/{name}", "--dry-run", **variables)))
        assert "--samples-per-epoch" not in words


@pytest.mark.parametrize(
    ("name", "gpus", "machines", "per_gpu", "batch", "updates"),
    [
        ("single_gpu.sh", "1", "1", "", 75, 8),
        ("single_gpu.sh", "1", "1", "32", 30, 20),
        ("multi_gpu.sh", "", "1", "", 75, 4),
        ("multi_gpu.sh", "8", "1", "", 75, 1),
        ("multi_gpu.sh", "16", "1", "", 0, 0),
        ("multi_gpu.sh", "3", "1", "", 50, 4),
        ("several_machines.sh", "4", "2", "", 75, 1),
        ("several_machines.sh", "1", "5", "", 60, 2),
    ],
)
def test_the_batch_is_600_on_any_number_of_gpus(recipe, name, gpus, machines, per_gpu, batch, updates):
    done = recipe(f"pretraining/{name}", "--dry-run", GPUS=gpus, MACHINES=machines, PER_GPU=per_gpu)
    if batch == 0:
        assert "600 samples per update cannot be shared by 16 GPUs" in error_line(done, 2)
        return
    [words] = of("fairseq-train", commands(done))
    processes = int(gpus or 2) * int(machines)
    assert (int(value("--batch-size", words)), int(value("--update-freq", words))) == (batch, updates)
    assert batch * updates * processes == 600
    assert value("--distributed-world-size", words) == str(processes)  # otherwise, fairseq would use all visible GPUs
    assert (words[0] == "torchrun") == (processes > 1)


@pytest.mark.parametrize(("mebibytes", "each"), [("143771", 300), ("81559", 150), ("24576", 75), ("none", 75)])
def test_the_memory_of_the_gpu_decides_how_many_samples_at_a_time(recipe, tmp_path, mebibytes, each):
    """H200, H100, a GPU with 24 GB, and unknown memory; the total batch size stays the same."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "nvidia-smi").write_text(f"#!/bin/sh\necho {mebibytes}\n")
    (tmp_path / "bin" / "nvidia-smi").chmod(0o755)
    for name, gpus in (("single_gpu.sh", 1), ("multi_gpu.sh", 2)):
        done = recipe(f"pretraining/{name}", "--dry-run", path=f"{tmp_path / 'bin'}:{SHELL_ONLY}", GPUS=str(gpus))
        (words,) = of("fairseq-train", commands(done))
        numbers = [int(value(option, words)) for option in ("--batch-size", "--update-freq")]
        assert numbers == [each, 600 // each // gpus]
        assert ("--gradient-as-bucket-view" in words) == (gpus > 1)


def test_every_machine_gets_its_rank_and_the_rendezvous_address(recipe):
    variables = {"MACHINES": "2", "MACHINE": "1", "GPUS": "4", "RENDEZVOUS": "first:29500"}
    [words] = of("fairseq-train", commands(recipe("pretraining/several_machines.sh", "--dry-run", **variables)))
    for option, expected in (("--nnodes", "2"), ("--node_rank", "1"), ("--nproc_per_node", "4")):
        assert value(option, words) == expected
    assert value("--rdzv_endpoint", words) == "first:29500"


def test_slurm_starts_the_recipe_on_every_node(recipe, repository, tmp_path):
    programs = tmp_path / "bin"
    programs.mkdir()
    (programs / "scontrol").write_text("#!/bin/sh\nprintf 'node7\\nnode8\\n'\n")
    (programs / "srun").write_text('#!/bin/sh\necho "MACHINES=$MACHINES GPUS=$GPUS RENDEZVOUS=$RENDEZVOUS" "$@"\n')
    for program in programs.iterdir():
        program.chmod(0o755)
    copy = shutil.copy(repository / "examples/pretraining/slurm.sbatch", tmp_path / "slurm_script")
    job = {"SLURM_JOB_ID": "4242", "SLURM_JOB_NODELIST": "node[7-8]", "SLURM_JOB_NUM_NODES": "2"}
    job |= {"SLURM_GPUS_ON_NODE": "4", "SLURM_CPUS_PER_TASK": "8", "SLURM_SUBMIT_DIR": str(repository)}
    done = subprocess.run(
        ["bash", copy, "--name", "x"], capture_output=True, text=True, env={"PATH": f"{programs}:{SHELL_ONLY}", **job}
    )
    assert done.returncode == 0, done.stderr
    line = done.stdout.splitlines()[-1]
    assert line.startswith("MACHINES=2 GPUS=4 RENDEZVOUS=node7:24242 ")
    assert line.endswith("examples/pretraining/several_machines.sh --name x")
    assert "--cpus-per-task=8" in line


@pytest.mark.parametrize(("name", "test_sets"), FINETUNING.items())
def test_fine_tuning_is_the_papers_and_scores_every_test_set(recipe, tmp_path, name, test_sets):
    printed = commands(recipe(name, "--dry-run", "--name", "again"))
    [training] = of("fairseq-train", printed)
    expected = {
        "--max-epoch": "50", "--batch-size": "50", "--update-freq": "4", "--eval-metric": "rouge_l",
        "--best-checkpoint-metric": "rouge_l",
        "--finetune-from-model": f"{tmp_path}/my runs/pretraining/xlm-swcm/checkpoint_last.pt",
        "--save-dir": f"{tmp_path}/my runs/{name.removesuffix('.sh')}/again",
    }  # fmt: skip
    assert {option: value(option, training) for option in expected} == expected
    assert "--maximize-best-checkpoint-metric" in training
    run = expected["--save-dir"]
    generations, scorings = of("fairseq-generate", printed), of("swcm score", printed)
    assert [value("--results-path", words) for words in generations] == [f"{run}/test/{each}" for each in test_sets]
    assert [value("--output", words) for words in scorings] == [f"{run}/scores/{each}.json" for each in test_sets]
    for each, generation, scoring in zip(test_sets, generations, scorings, strict=True):
        target = each.split("-")[-1]
        assert value("--target-lang", generation) == value("--lang", scoring) == target
        assert value("--path", generation) == f"{run}/checkpoint_best.pt"


def test_choices_reach_the_commands(recipe, tmp_path):
    variables = {"ENCODER": "my encoder", "MANIFEST": "my texts/ten thousand.yaml", "PRECISION": "fp32"}
    printed = commands(recipe("pretraining/single_gpu.sh", "--dry-run", "--", "--lr", "2e-4", **variables))
    [reading], [training] = of("swcm run", printed), of("fairseq-train", printed)
    assert reading[2] == "my texts/ten thousand.yaml"
    assert value("--vocabulary", reading) == value("--pretrained-encoder", training) == "my encoder"
    assert value("--output", reading) == training[1] == "data-bin/my encoder/ten thousand"
    assert training[-2:] == ["--lr", "2e-4"] and "--fp16" not in training
    encoder = tmp_path / "an encoder"
    encoder.mkdir()
    options = ("--dry-run", "--start", str(encoder))
    printed = commands(recipe("finetuning/translation.sh", *options, DATA="my data"))
    [training] = of("fairseq-train", printed)
    assert training[1] == "my data" and not of("swcm run", printed)
    assert value("--pretrained-encoder", training) == str(encoder) and "--finetune-from-model" not in training
    variables = {"PRECISION": "bf16", "DIRECTIONS": "kk-kk zh-kk"}
    printed = commands(recipe("finetuning/summarization.sh", "--dry-run", **variables))
    [training] = of("swcm train", printed)
    assert "--bf16" in training
    generations = [
        (value("--source-lang", words), value("--target-lang", words)) for words in of("fairseq-generate", printed)
    ]
    assert generations == [("kk", "kk"), ("zh", "kk")]


def test_another_encoder_has_its_own_data_and_is_used_in_later_steps(recipe, tmp_path):
    encoder = tmp_path / "encoders" / "za"
    encoder.mkdir(parents=True)
    (encoder / "dict.txt").touch()
    for name in ("pretraining/continued_mlm.sh", "pretraining/single_gpu.sh", "finetuning/summarization.sh"):
        printed = commands(recipe(name, "--dry-run", ENCODER="encoders/za"))
        assert value("--output", *of("swcm run", printed)).startswith("data-bin/encoders-za/")
    line = error_line(recipe("finetuning/translation.sh", ENCODER=str(encoder)), 1)
    assert f"ENCODER={encoder} examples/pretraining/single_gpu.sh" in line.replace("\\", "")


@pytest.mark.parametrize("name", RECIPES)
def test_help_is_complete(recipe, name):
    done = recipe(name, "--help")
    assert done.returncode == 0
    for word in ("--name", "--dry-run", "-- OPTION...", "SCALE=", "RUNS=", "ENCODER=", "MANIFEST=", "DATA=", "GPUS="):
        assert word in done.stdout
    assert f"examples/{name}" in done.stdout and "Su et al. 2025" in done.stdout
    assert ("--start CHECKPOINT" in done.stdout) == (name in FINETUNING)
    assert not re.search(r"set -e|shellcheck", done.stdout)


@pytest.mark.parametrize(
    ("name", "options", "variables", "expected"),
    [
        ("pretraining/single_gpu.sh", ["--epochs", "3"], {}, "--epochs: unknown option"),
        ("pretraining/single_gpu.sh", ["--name", "../x"], {}, "--name ../x: give letters"),
        ("pretraining/single_gpu.sh", ["--name"], {}, "--name : give letters"),
        ("pretraining/single_gpu.sh", ["--start", "x.pt"], {}, "--start: unknown option"),
        ("finetuning/summarization.sh", ["--start"], {}, "--start: a checkpoint is missing"),
        ("finetuning/summarization.sh", [], {"SCALE": "tiny"}, "SCALE=tiny: use full or smoke"),
        ("finetuning/summarization.sh", [], {"PRECISION": "half"}, "PRECISION=half: use fp16, bf16 or fp32"),
        ("finetuning/summarization.sh", [], {"GPUS": "two"}, "GPUS=two: give a number"),
        ("finetuning/summarization.sh", [], {"PER_GPU": "0"}, "PER_GPU=0: give a number"),
        ("pretraining/several_machines.sh", [], {"MACHINE": "2", "RENDEZVOUS": "a:1"}, "MACHINE=2: number the 2"),
        ("pretraining/several_machines.sh", [], {}, "RENDEZVOUS is not set"),
        ("pretraining/slurm.sbatch", [], {}, "not in a SLURM job; submit it: sbatch examples/pretraining/slurm.sbatch"),
    ],
)
def test_a_wrong_option_is_one_line(recipe, name, options, variables, expected):
    status = 1 if expected.startswith("not in") else 2
    assert expected in error_line(recipe(name, *options, **variables), status)


def test_a_missing_encoder_or_start_or_data_is_one_line_with_the_fix(recipe, tmp_path):
    missing = str(tmp_path / "no encoder")
    line = error_line(recipe("pretraining/single_gpu.sh", ENCODER=missing), 1)
    assert "swcm convert hfl/cino-base-v2 --hub --output" in line
    encoder = tmp_path / "encoder"
    encoder.mkdir()
    (encoder / "dict.txt").touch()
    line = error_line(recipe("finetuning/translation.sh", ENCODER=str(encoder)), 1)
    assert "checkpoint_last.pt is missing; make it: RUNS=" in line and "examples/pretraining/single_gpu.sh" in line
    line = error_line(recipe("pretraining/single_gpu.sh", ENCODER=str(encoder), DATA=missing), 1)
    assert f"{missing}/dict.txt is missing; DATA names" in line
    place = {"ENCODER": str(encoder), "RENDEZVOUS": "first:29500"}
    assert "make it beforehand, on one machine: swcm run" in error_line(
        recipe("pretraining/several_machines.sh", **place), 1
    )


def test_every_script_can_be_run_and_stops_at_the_first_failure(repository):
    scripts = [path for path in (repository / "examples").rglob("*") if path.suffix in (".sh", ".sbatch")]
    sourced = {"lib.sh", "steps.sh", "mbart_size.sh"}
    for path in (path for path in scripts if path.name not in sourced):
        content = path.read_text(encoding="utf-8")
        assert os.access(path, os.X_OK), path
        assert content.startswith("#!/usr/bin/env bash\n") and "\nset -euo pipefail\n" in content, path
