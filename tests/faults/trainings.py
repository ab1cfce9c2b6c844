"""Training runs of both tasks that take a second, on a generated data directory."""

import os
from pathlib import Path

from tests.commands import run

SHARED = """
    --cpu --optimizer adam --lr 1e-3 --batch-size 16 --log-format json --log-interval 1000 --seed 3
    --tokens-per-sample 32
"""
TASKS = {
    "multilingual_denoising_mt": """
        --criterion swcm_cross_entropy --arch xlm_swcm --encoder-layers 2 --normal-layer-interval 2
        --encoder-embed-dim 16 --encoder-ffn-embed-dim 32 --encoder-attention-heads 2 --max-source-positions 64
        --max-target-positions 64
    """,
    "corpora_masked_lm": """
        --criterion masked_lm --arch roberta_base --encoder-layers 1 --encoder-embed-dim 16
        --encoder-ffn-embed-dim 32 --encoder-attention-heads 2 --max-positions 64
    """,
}


def options(data: Path, save_dir: Path, task: str, *more: str | int | Path) -> list[str]:
    """The options of a training run of ``task`` that saves to ``save_dir``."""
    return [
        str(data),
        "--task",
        task,
        *TASKS[task].split(),
        *SHARED.split(),
        "--save-dir",
        str(save_dir),
        *map(str, more),
    ]


def train(data: Path, save_dir: Path, task: str, *more: str | int | Path) -> None:
    """Train in this process."""
    run("fairseq-train", *options(data, save_dir, task, *more))


def quiet(log: Path) -> None:
    """Redirect the output of this process and its children to ``log``."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
