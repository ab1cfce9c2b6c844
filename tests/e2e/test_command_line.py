"""The whole pipeline with the real command lines, at the smallest size: from text to scored titles."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import swcm_fairseq

pytestmark = pytest.mark.e2e

BIN = Path(sys.executable).parent
PLUGIN = str(Path(swcm_fairseq.__file__).parent)
SIZE = "--encoder-layers 3 --encoder-embed-dim 16 --encoder-ffn-embed-dim 32 --encoder-attention-heads 2".split()
POSITIONS = "--max-source-positions 128 --max-target-positions 128 --tokens-per-sample 128".split()
CPU = "--cpu --num-workers 1 --seed 3 --no-progress-bar --log-format json --log-interval 1".split()
ADAM = "--optimizer adam --lr 1e-3 --lr-scheduler fixed --clip-norm 1.0".split()


def run(*command: object, status: int = 0) -> subprocess.CompletedProcess:
    """Run a command and check its exit status."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(PLUGIN).parent)}
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=environment)
    assert done.returncode == status, done.stdout[-3000:] + done.stderr[-3000:]
    return done


FAIRSEQ_TRAIN = (BIN / "fairseq-train",)


def train(data: Path, save_dir: Path, updates: int, *options: object, status: int = 0, program=FAIRSEQ_TRAIN):
    """fairseq-train with the plugin."""
    return run(
        *program, data, "--user-dir", PLUGIN, "--task", "multilingual_denoising_mt", "--arch", "xlm_swcm",
        "--criterion", "swcm_cross_entropy", "--save-dir", save_dir, "--max-update", updates, "--batch-size", 8,
        "--save-interval-updates", 4, "--no-epoch-checkpoints", "--disable-validation",
        *SIZE, *POSITIONS, *CPU, *ADAM, *options, status=status,
    )  # fmt: skip


def losses(log: str) -> dict[int, str]:
    """Update -> training loss as printed."""
    found = re.findall(r"train_inner \| (\{.*\})", log)
    return {int(row["num_updates"]): row["loss"] for row in map(json.loads, found)}


@pytest.fixture(scope="module")
def workspace(tmp_path_factory, sample_data) -> Path:
    """A vocabulary, a data directory and an encoder trained by fairseq's masked_lm."""
    root = tmp_path_factory.mktemp("chain")
    text = {lang: sample_data / f"mono.{lang}.train.txt" for lang in ("bo", "zh")}
    title = [sample_data / f"title.bo.{{}}.{side}" for side in ("article", "title")]
    run(sys.executable, "-m", "preprocess.vocab", "--size", 2000, "--output", root / "vocab",
        "--input", *(f"{lang}={path}" for lang, path in text.items()))  # fmt: skip
    binarize = (sys.executable, "-m", "preprocess.binarize", "--vocab", root / "vocab", "--output")
    run(*binarize, root / "plain", "--plain", f"train={text['bo']}", "--plain", f"valid={text['zh']}")
    pairs = ",".join(str(sample_data / f"zh-bo.train.{side}") for side in ("zh", "bo"))
    titles = []
    for split in ("train", "valid", "test"):
        titles += ["--pair", f"bo-bo:title:{split}=" + ",".join(str(path).format(split) for path in title)]
    mono = [part for lang, path in text.items() for part in ("--mono", f"{lang}:train={path}")]
    run(*binarize, root / "pretrain", *mono, "--pair", f"zh-bo:train={pairs}")
    run(*binarize, root / "title", *titles)
    run(BIN / "fairseq-train", root / "plain", "--task", "masked_lm", "--criterion", "masked_lm",
        "--arch", "roberta_base", *SIZE, "--max-positions", 128, "--tokens-per-sample", 64,
        "--sample-break-mode", "none", "--batch-size", 8, "--max-update", 2, "--save-dir", root / "encoder",
        "--disable-validation", "--data-buffer-size", 0, *CPU, *ADAM)  # fmt: skip
    return root


@pytest.fixture(scope="module")
def pretrained(workspace) -> dict[int, str]:
    """Losses of 8 uninterrupted pretraining updates; the checkpoint is in ``pretrained/``."""
    encoder = workspace / "encoder/checkpoint_last.pt"
    done = train(workspace / "pretrain", workspace / "pretrained", 8, "--pretrained-encoder", encoder)
    return losses(done.stdout)


def test_resuming_without_the_encoder_file_continues_as_if_never_stopped(workspace, pretrained):
    encoder = workspace / "encoder/copy.pt"
    shutil.copy(workspace / "encoder/checkpoint_last.pt", encoder)
    options = ("--pretrained-encoder", encoder)
    first = train(workspace / "pretrain", workspace / "resumed", 4, *options)
    encoder.unlink()
    second = train(workspace / "pretrain", workspace / "resumed", 8, *options)
    both = losses(first.stdout) | losses(second.stdout)
    assert sorted(both) == list(range(1, 9))
    assert both == pretrained


def test_finetune_generate_and_score(workspace, pretrained):
    train(workspace / "title", workspace / "finetuned", 4,
          "--finetune-from-model", workspace / "pretrained/checkpoint_last.pt")  # fmt: skip
    run(BIN / "fairseq-generate", workspace / "title", "--user-dir", PLUGIN, "--task", "multilingual_denoising_mt",
        "--source-lang", "bo", "--target-lang", "bo", "--gen-subset", "test", "--cpu", "--beam", 2, "--max-len-b", 8,
        "--path", workspace / "finetuned/checkpoint_last.pt", "--remove-bpe", "sentencepiece",
        "--scoring", "rouge_l", "--results-path", workspace / "titles")  # fmt: skip
    output = (workspace / "titles/generate-test.txt").read_text(encoding="utf-8")
    hypotheses = {int(i): text for i, text in re.findall(r"^D-(\d+)\t[^\t]*\t(.*)$", output, re.MULTILINE)}
    references = {int(i): text for i, text in re.findall(r"^T-(\d+)\t(.*)$", output, re.MULTILINE)}
    assert sorted(hypotheses) == sorted(references) == list(range(15))
    assert not any("<bo>" in text for text in [*hypotheses.values(), *references.values()])
    assert "rougeL|lang:bo|tok:bo-syllable" in output

    # The scoring command agrees with the score that fairseq-generate prints.
    for name, texts in (("ref", references), ("hyp", hypotheses)):
        (workspace / name).write_text("".join(texts[i] + "\n" for i in range(15)), encoding="utf-8")
    files = ("--ref", workspace / "ref", "--hyp", workspace / "hyp")
    report = json.loads(
        run(sys.executable, "-m", "swcm_fairseq.scoring", *files, "--lang", "bo", "--format", "json").stdout
    )
    value = report["systems"][0]["values"]["rougeL F1"]["score"]
    assert f"rougeL F1 = {value:.2f}" in output


def test_bf16_trains_what_fp32_trains(workspace, pretrained):
    """Without the plugin, fairseq-train uses --bf16 only for TPUs."""
    options = ("--pretrained-encoder", workspace / "encoder/checkpoint_last.pt", "--bf16")
    program = (sys.executable, "-m", "swcm_fairseq.train")
    done = train(workspace / "pretrain", workspace / "bf16", 4, *options, program=program)
    found = losses(done.stdout)
    assert sorted(found) == [1, 2, 3, 4]
    # For both half-precision formats, fairseq's optimizer keeps 32-bit copies of the parameters.
    history = torch.load(workspace / "bf16/checkpoint_last.pt", weights_only=True)["optimizer_history"]
    assert history[-1]["optimizer_name"] == "FP16Optimizer"
    for update, loss in found.items():
        assert float(loss) == pytest.approx(float(pretrained[update]), rel=0.01)


def test_help_lists_the_options_of_the_task_and_the_architecture():
    words = " ".join(run(BIN / "fairseq-train", "--user-dir", PLUGIN, "--help").stdout.split())
    for flag in ("--langs", "--sampling-alpha", "--poisson-lambda", "--pretrained-encoder", "--label-smoothing"):
        assert re.search(rf"{flag} [A-Z_]+ \w+ \w+", words), f"{flag} has no help text"
    assert "xlm_swcm_base, xlm_swcm_large" in words


def test_a_language_without_a_token_is_one_line(workspace):
    done = train(workspace / "pretrain", workspace / "none", 1, "--langs", "kk,mn", status=1)
    assert "Traceback" not in done.stderr
    assert [line for line in done.stderr.splitlines() if line.startswith("error: ") and "bo" in line]


def test_an_encoder_of_another_size_names_both_shapes(workspace):
    options = ("--encoder-embed-dim", 32, "--pretrained-encoder", workspace / "encoder/checkpoint_last.pt")
    done = train(workspace / "pretrain", workspace / "none", 1, *options, status=1)
    assert "Traceback" not in done.stderr
    line = next(line for line in done.stderr.splitlines() if line.startswith("error: "))
    assert "16" in line and "32" in line


def test_a_data_directory_of_another_vocabulary_is_refused(workspace, tmp_path):
    shutil.copytree(workspace / "title", tmp_path / "other")
    dictionary = tmp_path / "other/dict.txt"
    first, *rest = dictionary.read_text(encoding="utf-8").splitlines(keepends=True)
    dictionary.write_text("".join([*rest, first]), encoding="utf-8")
    done = train(tmp_path / "other", tmp_path / "none", 1, status=1)
    assert "Traceback" not in done.stderr
    assert any(line.startswith("error: ") and "vocabulary" in line for line in done.stderr.splitlines())
