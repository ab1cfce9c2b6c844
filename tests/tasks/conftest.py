"""A generated data directory, the task that reads it, and fairseq's command lines."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from fairseq import options, tasks
from fairseq.data.iterators import GroupedIterator
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.trainer import Trainer
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
    """Make the task with some options, by default on ``data_bin``."""

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
    """Run a fairseq command line in a subprocess; return the finished process."""

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
    """Options of a training run that takes seconds."""
    return TRAIN.split()


UPDATES = """
    --user-dir swcm_fairseq --task multilingual_denoising_mt --langs bo,zh --criterion swcm_cross_entropy
    --teacher-forcing-final-ratio 0.5 --teacher-forcing-decay-end 1 --arch xlm_swcm_tiny --encoder-layers 3
    --encoder-embed-dim 16 --encoder-ffn-embed-dim 32 --encoder-attention-heads 2 --optimizer fused_adamw --lr 1e-3
    --lr-scheduler inverse_sqrt --clip-norm 1.0 --max-update 9 --batch-size 6 --update-freq 4 --cpu --seed 1
    --tokens-per-sample 32 --save-dir nowhere
""".split()


@pytest.fixture
def trainer(data_bin, repository, monkeypatch):
    """Build a trainer in this process with additional options, and the first epoch in groups of four batches."""
    monkeypatch.chdir(repository)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    def build(*more):
        args = options.parse_args_and_arch(options.get_training_parser(), [str(data_bin), *UPDATES, *more])
        cfg = convert_namespace_to_omegaconf(args)
        task = tasks.setup_task(cfg.task)
        task.language_vocabulary = lambda lang_token: torch.arange(4, 30)
        trainer = Trainer(cfg, task, task.build_model(cfg.model), task.build_criterion(cfg.criterion))
        epoch = trainer.get_train_iterator(1)
        return trainer, GroupedIterator(epoch.next_epoch_itr(shuffle=True), 4)

    return build
