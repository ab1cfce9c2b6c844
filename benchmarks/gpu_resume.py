"""Check on a GPU that interrupted training resumes bit for bit, that --amp is refused, and that the model generates.

    python benchmarks/gpu_resume.py OUT                                  # one GPU: fp16 and bf16
    python benchmarks/gpu_resume.py OUT --precision fp32 --device cpu --arch xlm_swcm_tiny --vocabulary 500

Trains with scheduled sampling for --updates updates, once in one run and once in two halves, and compares all weights.
All files are written to OUT. The exit status is 1 if a check fails.
"""

import argparse
import subprocess
import sys
from pathlib import Path

import measure
import torch
from gpu_smoke import FLAGS, ROOT, build_parser, make_data

from swcm_fairseq.errors import run_command

TASK = "--user-dir swcm_fairseq --task multilingual_denoising_mt --langs bo,zh -s zh -t bo".split()
TRAINING = """
    --criterion swcm_cross_entropy --teacher-forcing-final-ratio 0.5 --teacher-forcing-decay-end 1 --num-workers 1
    --optimizer fused_adamw --weight-decay 0.01 --clip-norm 1.0 --lr 1e-4 --lr-scheduler inverse_sqrt --warmup-updates 5
    --batch-size 16 --disable-validation --no-epoch-checkpoints --seed 1 --distributed-world-size 1
""".split()


def run(args: argparse.Namespace, *command: object) -> subprocess.CompletedProcess[str]:
    """Run one of fairseq's commands with the task, and capture its output."""
    words = [sys.executable, "-m", *map(str, command), *(["--cpu"] if args.device == "cpu" else [])]
    environment = measure.environment(args.device)
    return subprocess.run(words, capture_output=True, text=True, cwd=ROOT, env=environment)


def train(args: argparse.Namespace, folder: Path, updates: int, *more: str) -> subprocess.CompletedProcess[str]:
    """Train until ``updates``, from the last checkpoint in ``folder``."""
    size = ["--arch", args.arch, "--max-update", updates, "--save-interval-updates", updates, "--save-dir", folder]
    return run(args, "swcm_fairseq.train", args.out / "data", *TASK, *TRAINING, *size, *more)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    """The weights of the last checkpoint."""
    return torch.load(folder / "checkpoint_last.pt", map_location="cpu", weights_only=True)["model"]


def resumed(args: argparse.Namespace, precision: str) -> list[str]:
    """A message if a training run in two halves differs from one in a single run, or if one of them fails."""
    at_once, halves = (args.out / precision / name for name in ("at_once", "halves"))
    for folder, updates in ((at_once, args.updates), (halves, args.updates // 2), (halves, args.updates)):
        done = train(args, folder, updates, *FLAGS[precision])
        if done.returncode:
            return [f"{precision}: training failed: {done.stderr.strip().splitlines()[-1]}"]
    first, second = weights(at_once), weights(halves)
    unequal = {name: (first[name] - second[name]).abs().max().item() for name in first
               if not torch.equal(first[name], second[name])}  # fmt: skip
    worst = max(unequal.values(), default=0.0)
    return [f"{precision}: {len(unequal)} tensors differ after resuming, by at most {worst:.1e}"] if unequal else []


def refused(args: argparse.Namespace) -> list[str]:
    """A message if --amp is not refused in one line."""
    done = train(args, args.out / "amp", 1, "--amp")
    line = done.stderr.strip().splitlines()[-1] if done.stderr.strip() else ""
    return [] if done.returncode and line.startswith("error: --amp") else [f"--amp was not refused: {line}"]


def generated(args: argparse.Namespace, precision: str) -> list[str]:
    """A message if generation does not write a text for every source."""
    path = args.out / precision / "halves" / "checkpoint_last.pt"
    search = ["--path", path, "--gen-subset", "train", "--beam", "5", "--max-len-b", "10", "--max-sentences", "64"]
    half = ["--fp16"] if precision == "fp16" else []
    done = run(args, "fairseq_cli.generate", args.out / "data", *TASK, *search, *half)
    written = sum(line.startswith("H-") for line in done.stdout.splitlines())
    return [] if done.returncode == 0 and written == args.pairs else [f"{precision}: {written} texts of {args.pairs}"]


def main() -> None:
    """Create the data, run all checks, and print problems."""
    parser = build_parser(__doc__, updates=8)
    parser.add_argument(
        "--pairs", type=int, default=200, help="number of pairs to train on and to generate (default: 200)"
    )
    args = parser.parse_args()
    args.out = args.out.resolve()
    make_data(args.out / "data", args.vocabulary, args.pairs)
    wrong = refused(args)
    for precision in args.precision:
        problems = resumed(args, precision)
        wrong += problems or generated(args, precision)
        print(f"{precision}: {'; '.join(problems) or 'continues bit for bit'}", flush=True)
    print("\n".join(wrong) or "ok")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    run_command(main)
