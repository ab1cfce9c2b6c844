"""How often an update waits for the GPU: counted on a CPU, so that it cannot creep back."""

import itertools

import pytest
import torch
from fairseq import options, tasks
from fairseq.data.iterators import GroupedIterator
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.trainer import Trainer

from tests.waits import Waits

OPTIONS = """
    --user-dir swcm_fairseq --task multilingual_denoising_mt --langs bo,zh --criterion swcm_cross_entropy
    --teacher-forcing-final-ratio 0.5 --teacher-forcing-decay-end 1 --arch xlm_swcm_tiny --encoder-layers 3
    --encoder-embed-dim 16 --encoder-ffn-embed-dim 32 --encoder-attention-heads 2 --optimizer fused_adamw --lr 1e-3
    --lr-scheduler inverse_sqrt --clip-norm 1.0 --max-update 9 --batch-size 6 --update-freq 4 --cpu --seed 1
    --tokens-per-sample 32 --save-dir nowhere
""".split()
UPDATE = 12  # the most waits of an update of four batches with scheduled sampling


def test_waits_are_seen():
    x = torch.arange(4)
    with Waits() as waits:
        x.sum().item()
        x[x > 1]
        x.tolist()
        torch.equal(x, x)
        x.nonzero()
        bool(x.any())
        x[x > 1] = 0
        x + 1
    assert waits.total == 6


@pytest.fixture
def trainer(data_bin, repository, monkeypatch):
    monkeypatch.chdir(repository)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")

    def build(*more):
        args = options.parse_args_and_arch(options.get_training_parser(), [str(data_bin), *OPTIONS, *more])
        cfg = convert_namespace_to_omegaconf(args)
        task = tasks.setup_task(cfg.task)
        task.language_vocabulary = lambda lang_token: torch.arange(4, 30)
        trainer = Trainer(cfg, task, task.build_model(cfg.model), task.build_criterion(cfg.criterion))
        epoch = trainer.get_train_iterator(1)
        return trainer, GroupedIterator(epoch.next_epoch_itr(shuffle=True), 4)

    return build


@pytest.mark.parametrize(
    "more", [[], ["--restrict-vocabulary", "--group-batches-by", "language"], ["--first-pass-sampling"]]
)
def test_an_update_waits_at_most_twelve_times(trainer, more):
    trainer, updates = trainer(*more)
    first, *others = itertools.islice(updates, 3)
    trainer.train_step(first)  # teacher forcing
    for batches in others:
        assert len(batches) == 4
        with Waits() as waits:
            log = trainer.train_step(batches)
        assert log["teacher_forcing"] == 0.5
        assert waits.total <= UPDATE, waits.counts
