"""Train xlm_swcm_base in fp16 and in bf16 for 200 updates, and check that the loss falls and the loss scale is stable.

    python benchmarks/gpu_smoke.py OUT                                  # one GPU with 24 GB or more
    python benchmarks/gpu_smoke.py OUT --precision fp32 --device cpu --arch xlm_swcm_tiny --vocabulary 500 --lr 2e-3
                                                                        # on a CPU, to test the script

The task, the criterion (with scheduled sampling) and the optimizer are those of this package. The data is artificial:
the model learns to reverse sentences of Zipf-distributed pieces, over a vocabulary of CINO's size. All files are
written to OUT. The exit status is 1 if a run fails, if its loss does not fall by 5%, or if it overflows in the second
half.
"""

import argparse
import itertools
import json
import re
import subprocess
import sys
from pathlib import Path

import made_up_data
import measure
import numpy as np
import torch

from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.recipe_settings import TRAINING_OPTIONS

ROOT = Path(__file__).resolve().parents[1]
CINO_VOCABULARY = 135_359
PAIRS, LONGEST, WINDOW = 4000, 40, 20
FLAGS = {"fp32": [], "fp16": ["--fp16"], "bf16": ["--bf16"]}


def make_data(directory: Path, vocabulary: int, pairs: int = PAIRS) -> None:
    """Write pairs in which piece k has a probability proportional to 1/k."""
    dictionary = made_up_data.make_dictionary(vocabulary)
    lengths = np.random.default_rng(0).integers(5, LONGEST, pairs)
    texts = made_up_data.make_texts(dictionary, lengths)
    for lang, step in (("zh", 1), ("bo", -1)):
        made_up_data.write_texts(directory / f"train.zh-bo.{lang}", [text[::step] for text in texts], dictionary)
    dictionary.save(str(directory / "dict.txt"))


def train(args: argparse.Namespace, precision: str) -> str:
    """Train once; returns its log, which is also saved in OUT."""
    save_dir = args.out / precision
    command = [
        sys.executable, "-m", "swcm_fairseq.train", args.out / "data", "--user-dir", ROOT / "swcm_fairseq",
        "--task", "multilingual_denoising_mt", "--langs", "bo,zh", "-s", "zh", "-t", "bo", "--arch", args.arch,
        "--criterion", "swcm_cross_entropy", "--teacher-forcing-final-ratio", "0.5", "--num-workers", "1",
        *TRAINING_OPTIONS, "--weight-decay", "0.01", "--lr", args.lr, "--lr-scheduler", "inverse_sqrt",
        "--warmup-updates", "50", "--batch-size", "32", "--max-update", args.updates, "--disable-validation",
        "--no-save", "--seed", "1", "--save-dir", save_dir, "--log-interval", "1", "--distributed-world-size", "1",
        *FLAGS[precision], *(["--cpu"] if args.device == "cpu" else []),
    ]  # fmt: skip
    environment = measure.environment(args.device)
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, cwd=ROOT, env=environment)
    log = done.stdout + done.stderr
    (args.out / f"{precision}.log").write_text(log)
    if done.returncode != 0:
        print(log[-2000:], file=sys.stderr)
        sys.exit(f"error: the {precision} run failed; see {args.out / precision}.log")
    return log


def judge(log: str, updates: int) -> tuple[str, bool]:
    """The line with the results, and whether they pass."""
    rows = [json.loads(row) for row in re.findall(r"train_inner \| (\{.*\})", log)]
    losses = [float(row["loss"]) for row in rows]
    first, last = np.mean(losses[:WINDOW]), np.mean(losses[-WINDOW:])
    late = [row for row in rows if int(row["num_updates"]) > updates // 2]
    scales = [float(row["loss_scale"]) for row in late if "loss_scale" in row]
    halved = sum(after < before for before, after in itertools.pairwise(scales))
    speed = np.median([float(row["wps"]) for row in late])
    line = f"{first:10.3f}{last:10.3f}{log.count('gradient overflow detected'):11d}{halved:14d}{speed:12,.0f}"
    return line, bool(np.isfinite(losses).all() and last < 0.95 * first and halved == 0)


def build_parser(description: str, updates: int) -> argparse.ArgumentParser:
    """A parser with the options of this check and of gpu_resume.py."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="directory for data, checkpoints and logs")
    parser.add_argument(
        "--precision", nargs="+", choices=FLAGS, default=["fp16", "bf16"], help="precisions (default: fp16 bf16)"
    )
    parser.add_argument("--arch", default="xlm_swcm_base", help="architecture (default: %(default)s)")
    parser.add_argument("--vocabulary", type=int, default=CINO_VOCABULARY, help="number of symbols (%(default)s)")
    parser.add_argument("--updates", type=int, default=updates, help="number of updates (default: %(default)s)")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cuda", help="where to train (default: cuda)")
    return parser


def main() -> None:
    """Create the data, train once per precision, and print a table."""
    parser = build_parser(__doc__, updates=200)
    parser.add_argument("--lr", default="1e-4", help="peak learning rate (default: %(default)s)")
    args = parser.parse_args()
    make_data(args.out / "data", args.vocabulary)
    if args.device == "cuda" and not torch.cuda.is_available():
        raise InputError(
            "--device cuda: torch finds no GPU; to test the script, use --device cpu and the sizes in --help"
        )
    device = measure.machine(args.device)
    print(f"{args.arch}, {args.vocabulary:,} symbols, {args.updates} updates, torch {torch.__version__}, {device}")
    print(f"{'':10}{f'first {WINDOW}':>10}{f'last {WINDOW}':>10}{'overflows':>11}{'in 2nd half':>14}{'words/s':>12}")
    good = []
    for precision in args.precision:
        line, fine = judge(train(args, precision), args.updates)
        print(f"{precision:10}{line}  {'ok' if fine else 'NOT OK'}", flush=True)
        good.append(fine)
    sys.exit(not all(good))


if __name__ == "__main__":
    run_command(main)
