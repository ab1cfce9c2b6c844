"""A data directory made on the spot, the task on top of it, and fairseq's command lines."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from swcm_fairseq.tasks.multilingual_denoising_mt import MultilingualDenoisingMTTask
from swcm_fairseq.tasks.task_config import MultilingualDenoisingMTConfig
from tests.tasks.task_data import fill

# Fields that the task takes from other parts of fairseq's configuration.
NODES = {
    "valid_subset": "valid",
    "batch_size_valid": 4,
    "save_dir": "nowhere",
    "restore_file": "checkpoint_last.pt",
    "finetune_from_model": None,
    "continue_once": None,
}


@pytest.fixture(scope="session")
def data_bin(tmp_path_factory) -> Path:
    return fill(tmp_path_factory.mktemp("data-bin"))


@pytest.fixture()
def make_task(data_bin) -> Callable[..., MultilingualDenoisingMTTask]:
    """The task with some options set, on ``data_bin`` unless told otherwise."""

    def make(data: Path | str | None = None, **options) -> MultilingualDenoisingMTTask:
        values = {
            "data": str(data or data_bin),
            "seed": 1,
            "train_subset": "train",
            "update_freq": [1],
            **NODES,
            **options,
        }
        cfg = OmegaConf.merge(OmegaConf.structured(MultilingualDenoisingMTConfig), values)
        return MultilingualDenoisingMTTask.setup_task(cfg)

    return make


TRAIN = """
    --user-dir swcm_fairseq --task multilingual_denoising_mt --criterion label_smoothed_cross_entropy
    --arch transformer --share-all-embeddings --encoder-layers 1 --decoder-layers 1 --encoder-embed-dim 16
    --decoder-embed-dim 16 --encoder-ffn-embed-dim 32 --decoder-ffn-embed-dim 32 --encoder-attention-heads 2
    --decoder-attention-heads 2 --max-source-positions 256 --max-target-positions 256 --optimizer adam --lr 1e-3
    --lr-scheduler warmup_linear --cpu --log-format json --log-interval 1 --batch-size 16
"""


@pytest.fixture(scope="session")
def run_fairseq(repository) -> Callable[..., subprocess.CompletedProcess]:
    """Run a fairseq command line as its users do, and return what it printed."""

    def run(command: str, *arguments, stdin: str | None = None, ok: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [sys.executable, "-m", f"fairseq_cli.{command}", *map(str, arguments)],
            cwd=repository,
            env=environment(repository),
            input=stdin,
            capture_output=True,
            text=True,
        )
        if ok:
            assert done.returncode == 0, done.stderr[-3000:]
        return done

    return run


def environment(repository: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def train_options() -> list[str]:
    """Options of a training that takes seconds."""
    return TRAIN.split()
