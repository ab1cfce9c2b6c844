"""The grid of ablations: its options, its parts, and the resulting commands."""

import fcntl
import os
import re
import shlex
import subprocess
from dataclasses import fields
from pathlib import Path

import pytest
from fairseq import options

from swcm_fairseq.models.model_config import XLMSWCMConfig
from swcm_fairseq.reporting.ablation_grid import command_line, read_grid
from swcm_fairseq.reporting.paper import read_paper

ROOT = Path(__file__).resolve().parents[2]
GRID = {row["system"]: row for row in read_grid()}
TRAIN = "--user-dir swcm_fairseq --task multilingual_denoising_mt --arch xlm_swcm_base --criterion swcm_cross_entropy"
TASKS = ["summarization", "reading_comprehension", "translation"]
# System -> number of decoder layers for twelve encoder layers: 12 + floor(12 / X), unless the ablation changes it.
LAYERS = {"cino-transformer": 12, "base-a": 12, "x1": 24, "x2": 18, "x3": 16, "x4": 15, "x5": 14, "x6": 14}


def flags(system: str, *columns: str) -> list[str]:
    return [word for column in columns for word in GRID[system][column].split() if GRID[system][column] != "-"]


def parse(arguments: list[str]):
    parser = options.get_training_parser()
    return options.parse_args_and_arch(parser, ["data", *TRAIN.split(), *arguments])


def run(*arguments: str, script: str = "ablations/run.sh", **environment: str) -> subprocess.CompletedProcess:
    known = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONPATH": str(ROOT)}
    command = ["bash", str(ROOT / "examples" / script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**known, **environment})


def systems(done: subprocess.CompletedProcess) -> list[str]:
    assert done.returncode == 0, done.stderr
    return [line.split()[0] for line in done.stdout.splitlines()]


@pytest.mark.parametrize("system", GRID)
def test_options_are_options_of_fairseq_train(system):
    before = parse(flags(system, "pretraining_options", "common_options"))
    after = parse(flags(system, "common_options", "finetuning_options"))
    known = [each.name for each in fields(XLMSWCMConfig) if hasattr(after, each.name)]
    config = XLMSWCMConfig(**{name: getattr(after, name) for name in known})
    assert len(config.layer_plan()) == LAYERS.get(system.split("-")[0] if system[0] == "x" else system, 16)
    removed = system.removeprefix("no-").split("-") if system.startswith("no-") else []
    assert config.random_inherited_layers == ("ws" in removed)
    assert (GRID[system]["pretraining"] == "-") == ({"mt", "dae"} <= set(removed))
    if GRID[system]["pretraining"] != "-":
        assert before.translation_share == (0 if "mt" in removed else 1 if "dae" in removed else None)
    size = re.fullmatch(r"x\d-(\d+)k", system)
    assert after.train_samples == (int(size[1]) * 1000 if size else None)


def test_every_run_of_the_tables_is_there():
    wanted = {
        row.run + column.suffix: column.task.split("/")[1]
        for table in read_paper().tables
        if table.name in ("table3", "table4", "table5", "figure4")
        for row in table.rows
        for column in table.columns
    }
    assert set(wanted) == set(GRID)
    for name, row in GRID.items():
        assert row["tasks"].split(",") == (["summarization"] if name[:2] in LAYERS else TASKS)


def test_one_pretraining_has_one_set_of_options():
    made: dict[str, set[tuple[str, str]]] = {}
    for row in GRID.values():
        made.setdefault(row["pretraining"], set()).add((row["pretraining_options"], row["common_options"]))
    assert all(len(each) == 1 for name, each in made.items() if name != "-")


def test_parts_are_disjoint_and_share_no_pretraining():
    parts = [systems(run("--list", "--part", f"{i}/4")) for i in range(1, 5)]
    assert sorted(name for part in parts for name in part) == sorted(GRID)
    made = [{GRID[name]["pretraining"] for name in part} - {"-"} for part in parts]
    assert sum(map(len, made)) == len(set().union(*made))
    assert all(len(part) > 3 for part in parts)
    assert systems(run("--list", "--part", "2/4", "no-mt", "xlm-swcm")) == ["no-mt"]


def test_dry_run_prints_every_training(tmp_path):
    done = run("--dry-run", RUNS=str(tmp_path / "my runs"))
    assert done.returncode == 0, done.stderr
    place = str(tmp_path / "my runs").replace(" ", r"\ ")
    trainings = [line for line in done.stdout.splitlines() if line.startswith("fairseq-train ")]
    found = {re.search(r"--save-dir \S+?my\\ runs/(\S+)", line)[1]: line for line in trainings}
    for system, row in GRID.items():
        for task in row["tasks"].split(","):
            line = found[f"finetuning/{task}/{system}"]
            start = f"--finetune-from-model {place}/pretraining/{row['pretraining']}/checkpoint_last.pt"
            assert (start if row["pretraining"] != "-" else "--pretrained-encoder encoders/cino-base-v2") in line
            assert line.endswith(" ".join(flags(system, "common_options", "finetuning_options")))
            assert line.split()[1] == f"data-bin/{task if row['corpora'] == '-' else row['corpora']}"
        if row["pretraining"] != "-":
            line = found[f"pretraining/{row['pretraining']}"]
            assert line.endswith(" ".join(flags(system, "pretraining_options", "common_options")))
            assert "--samples-per-epoch 1340235 " in f"{line} "  # the same number of updates for all systems
            assert "--pretrained-encoder encoders/cino-base-v2" in line
    assert not (tmp_path / "my runs").exists()


def test_command_lines_are_ready_for_the_shell():
    line = command_line(GRID["x2-20k"], "smoke", "my runs", "encoder", "my manifests", dry_run=True)
    pretraining, finetuning = (shlex.split(each) for each in line.split(" && "))
    recipe = ["examples/pretraining/single_gpu.sh", "--name", "x2", "--dry-run", "--"]
    assert pretraining == [*recipe, "--normal-layer-interval", "2"]
    assert finetuning == [
        *("env", "MANIFEST=my manifests/headlines.yaml", "examples/finetuning/summarization.sh", "--name", "x2-20k"),
        *("--start", "my runs/pretraining/x2/checkpoint_last.pt", "--dry-run", "--"),
        *("--normal-layer-interval", "2", "--train-samples", "20"),
    ]
    line = command_line(GRID["no-mt-dae"], "full", "runs", "my encoder", "manifests", dry_run=False)
    assert line.split(" && ") == [
        f"examples/finetuning/{task}.sh --name no-mt-dae --start 'my encoder' --" for task in TASKS
    ]


def test_smoke_scale_has_a_thousandth_of_the_samples(tmp_path):
    done = run("--dry-run", "x2-20k", "x6-50k", SCALE="smoke", RUNS=str(tmp_path / "runs"))
    assert done.returncode == 0, done.stderr
    assert "--normal-layer-interval 2 --train-samples 20\n" in done.stdout
    assert "x6-50k: skipped at SCALE=smoke" in done.stdout and "interval 6" not in done.stdout


def test_work_of_another_process_is_skipped(tmp_path):
    place = tmp_path / "pretraining/no-ws/done"
    place.mkdir(parents=True)
    with (place / "train.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = run("no-ws", RUNS=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "[train] another process is working on it" in done.stdout
    assert "1 systems, 1 of them left to other processes, 0 failed" in done.stdout
    assert [path.name for path in place.iterdir()] == ["train.lock"] and not (tmp_path / "finetuning").exists()


def test_failures_are_reported_at_the_end(tmp_path):
    done = run("no-ws", "base-a", RUNS=str(tmp_path), ENCODER=str(tmp_path / "nothing"))
    lines = done.stderr.splitlines()
    assert done.returncode == 1
    assert sum("dict.txt is missing; make the encoder's directory" in line for line in lines) == 2
    assert lines[-1].startswith("error: failed: no-ws base-a;")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nothing"], "nothing: no such system"),
        (["no.mt"], "no.mt: no such system"),
        (["--part", "5/4"], "--part 5/4: there are only 4 parts"),
        (["--part", "0/4"], "--part 0/4: write I/N"),
        (["--part"], "--part : write I/N"),
        (["--frobnicate"], "--frobnicate: unknown option"),
    ],
)
def test_mistakes_are_one_line(arguments, message):
    done = run(*arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}") and done.stderr.count("\n") == 1


def test_baselines(tmp_path):
    done = run("--dry-run", script="baselines/cino_transformer.sh", RUNS=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("--plain-decoder") == 4
    done = run("--dry-run", script="baselines/mbart_cm.sh", RUNS=str(tmp_path))
    assert done.returncode == 0, done.stderr
    lines = [shlex.split(line) for line in done.stdout.splitlines() if not line.startswith("#")]
    (convert,) = [words for words in lines if words[:2] == ["swcm", "mbart"]]
    assert convert[2:] == [
        *("encoders/mbart.cc25", "--vocab", "encoders/cino-base-v2"),
        *("--output", f"{tmp_path}/pretraining/mbart-cm/start.pt"),
    ]
    trainings = [words for words in lines if words[:1] == ["fairseq-train"]]
    assert len(trainings) == 6
    assert trainings[0][trainings[0].index("--samples-per-epoch") + 1] == "1340235"  # as XLM-SWCM's pretraining
    for words in trainings:
        arguments = options.parse_args_and_arch(options.get_training_parser(), words[1:])
        assert (arguments.arch, arguments.criterion) == ("mbart_large", "label_smoothed_cross_entropy")
        assert arguments.encoder_normalize_before and arguments.decoder_normalize_before


@pytest.mark.parametrize("script", ["ablations/run.sh", "baselines/mbart_cm.sh"])
@pytest.mark.parametrize("variable", ["DATA", "MANIFEST"])
def test_data_of_one_stage_are_refused(script, variable):
    done = run("--dry-run", script=script, **{variable: "mine"})
    assert done.returncode == 2
    assert done.stderr.startswith("error: DATA and MANIFEST are those of one stage") and done.stderr.count("\n") == 1
