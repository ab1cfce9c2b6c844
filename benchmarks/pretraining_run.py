"""Estimate the time for the paper's whole pretraining on this machine from a measured run of fairseq-train.

    python benchmarks/pretraining_run.py OUT                                             # a CPU, two minutes
    python benchmarks/pretraining_run.py OUT --device cuda --precision bf16 --arch xlm_swcm_base \\
        --vocabulary 135359 --sentences 150 --update-freq 4 --tokens 256 --updates 300 --save-interval 100

This is a real run of denoising and translation with data loading, noise, scheduled sampling, logging and checkpoints,
on made-up text with --tokens tokens per sentence, or on a data directory (--data). Timing starts after the first
--warm-up updates. The paper (Su et al. 2025, section 4.1) trains for 17,864 updates of 600 sentences of at most 256
tokens, in 92 hours on two A800 GPUs. All files are written to OUT.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import made_up_data
import measure

from swcm_fairseq.errors import InputError, run_command

ROOT = Path(__file__).resolve().parents[1]
UPDATES, SENTENCES, TOKENS, HOURS = 17_864, 600, 256, 92
FLAGS = {"fp32": [], "fp16": ["--fp16"], "bf16": ["--bf16"]}


def train(options: argparse.Namespace, data: Path) -> str:
    """Train from the start; returns the log, which is also saved in OUT."""
    shutil.rmtree(options.out / "checkpoints", ignore_errors=True)  # those of an earlier run
    command = [
        sys.executable, "-m", "swcm_fairseq.train", data, "--user-dir", ROOT / "swcm_fairseq",
        "--task", "multilingual_denoising_mt", "--tokens-per-sample", options.tokens, "--arch", options.arch,
        "--max-source-positions", options.tokens, "--max-target-positions", options.tokens,
        "--criterion", "swcm_cross_entropy", "--teacher-forcing-final-ratio", options.teacher_forcing,
        "--teacher-forcing-decay-end", "1", "--batch-size", options.sentences, "--update-freq", options.update_freq,
        "--required-batch-size-multiple", "1", "--optimizer", options.optimizer, "--adam-betas", "(0.9,0.999)",
        "--weight-decay", "0.01", "--clip-norm", "1.0", "--lr", "1e-4", "--lr-scheduler", "warmup_linear",
        "--warmup-updates", "1", "--max-update", options.updates, "--disable-validation", "--seed", "1",
        "--num-workers", options.workers, "--save-dir", options.out / "checkpoints",
        "--save-interval-updates", options.save_interval, "--keep-interval-updates", "1", "--no-epoch-checkpoints",
        "--log-format", "json", "--log-interval", "1", "--distributed-world-size", "1", *FLAGS[options.precision],
        *(["--cpu"] if options.device == "cpu" else []),
    ]  # fmt: skip
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        cwd=ROOT,
        env=measure.environment(options.device),
    )
    (options.out / "train.log").write_text(done.stdout + done.stderr, encoding="utf-8")
    if done.returncode != 0:
        raise InputError(f"the run failed; see {options.out / 'train.log'}")
    return done.stdout + done.stderr


def read_log(log: str, name: str, keys: tuple[str, ...]) -> list[dict[str, float]]:
    """The values that fairseq logged under ``name``: ``train_inner`` after each update, ``train`` after each epoch."""
    rows = [json.loads(row) for row in re.findall(rf"\| {name} \| (\{{.*\}})", log)]
    return [{key: float(row[key]) for key in keys} for row in rows]


def summary(options: argparse.Namespace, log: str) -> dict[str, float]:
    """Seconds per update after the warm-up, and the shares of the run spent in updates and checkpoints."""
    rows = read_log(log, "train_inner", ("wps", "wpb", "loss", "wall"))
    measured = rows[options.warm_up :]
    if not measured:
        raise InputError("no update was measured; give more --updates than --warm-up")
    seconds = [row["wpb"] / row["wps"] for row in measured]  # from one log line to the next, including everything
    saving = [float(took) for took in re.findall(r"\(writing took ([\d.]+) seconds\)", log)]
    training = [row["train_train_wall"] for row in read_log(log, "train", ("train_train_wall",))]
    tokens = sum(row["wpb"] for row in measured) / len(measured)
    return {
        "updates": len(measured),
        "seconds": sum(seconds) / len(measured),
        "training": sum(training) / max(rows[-1]["wall"], 1),
        "checkpoints": sum(saving) / max(rows[-1]["wall"], 1),
        "tokens": tokens,
        "tokens_per_second": tokens * len(measured) / sum(seconds),
        "loss_first": rows[0]["loss"],
        "loss_last": rows[-1]["loss"],
    }


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = measure.build_parser(__doc__, rounds=1)
    parser.add_argument("out", type=Path, metavar="OUT", help="directory for data, checkpoints and log")
    parser.add_argument("--data", type=Path, metavar="DIR", help="data directory instead of made-up text")
    parser.add_argument("--arch", default="xlm_swcm_tiny", help="architecture (default: %(default)s)")
    measure.add_numbers(
        parser,
        """
        vocabulary   8_000  number of symbols of made-up text
        sentences        8  sentences per batch
        update_freq      2  batches per update
        tokens          64  tokens per sentence
        """,
    )
    parser.add_argument("--precision", choices=tuple(FLAGS), default="fp32", help="precision (default: fp32)")
    parser.add_argument("--optimizer", default="adam", help="fairseq's --optimizer (default: adam)")
    parser.add_argument(
        "--teacher-forcing", default="0", metavar="SHARE", help="share of reference tokens in the decoder input (0)"
    )
    measure.add_numbers(
        parser,
        """
        updates        300  number of updates
        warm_up         20  updates before timing starts
        save_interval  100  updates between checkpoints
        workers          1  number of loading processes
        """,
    )
    return parser


def main() -> None:
    """Train, read the log, extrapolate."""
    options = build_parser().parse_args()
    options.out = options.out.resolve()
    data = options.data.resolve() if options.data else options.out / "data"
    if options.data is None:
        made_up_data.pretraining_data(data, options.vocabulary, 20 * options.sentences, options.tokens)
    found = summary(options, train(options, data))
    updates_of_paper = UPDATES * SENTENCES * TOKENS / found["tokens"]
    hours = updates_of_paper * found["seconds"] / 3600
    report = measure.Report(
        title="How long the paper's pretraining would take",
        device=options.device,
        settings=[
            f"{options.arch}, updates of {options.update_freq} x {options.sentences} x {options.tokens} tokens, "
            f"{options.precision}, scheduled sampling with {options.teacher_forcing} teacher forcing, "
            f"{'text of ' + options.data.name if options.data else f'{options.vocabulary:,} made-up pieces'}",
            f"{found['updates']:.0f} updates after {options.warm_up}, a checkpoint every {options.save_interval}",
        ],
        headers=[
            "s/update",
            "target tokens/s",
            "share of the run in updates",
            "share in checkpoints",
            "hours for the paper's schedule",
        ],
        rows=[
            [
                f"{found['seconds']:.3f}",
                f"{found['tokens_per_second']:,.0f}",
                f"{found['training']:.0%}",
                f"{found['checkpoints']:.0%}",
                f"{hours:,.1f}",
            ]
        ],
        ratios=[
            measure.Ratio("hours for the paper's schedule", [hours], at_most=5.0 if options.device == "cuda" else None)
        ],
        notes=[
            f"The paper: {UPDATES:,} updates of {SENTENCES} x {TOKENS} tokens, {HOURS} hours on two A800. The same "
            f"number of tokens takes {updates_of_paper:,.0f} updates in this run. Loss (base 2): "
            f"{found['loss_first']:.2f} at the start, {found['loss_last']:.2f} at the end. Checkpoints are written as "
            "often as here."
        ],
        raw={**found, "hours": hours},
    )
    report.write(options.output, options.note)


if __name__ == "__main__":
    run_command(main)
