import re
from types import SimpleNamespace

import pytest
import torch
from fairseq.dataclass.configs import OptimizationConfig
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.optim.adam import FairseqAdam
from fairseq.options import get_training_parser, parse_args_and_arch
from omegaconf import OmegaConf

from swcm_fairseq.errors import InputError, input_error
from swcm_fairseq.optim import epoch_length
from swcm_fairseq.optim.warmup_linear import WarmupLinearLRSchedule, WarmupLinearLRScheduleConfig


def schedule(updates=None, **options):
    """The schedule in a run whose task has announced ``updates`` per epoch."""
    values = {"lr": [1e-4], "max_update": 0, "max_epoch": 0, **options}
    cfg = OmegaConf.merge(OmegaConf.structured(WarmupLinearLRScheduleConfig), values)
    adam = SimpleNamespace(lr=[1e-4], adam_betas="(0.9, 0.999)", adam_eps=1e-8, weight_decay=0.0, use_old_adam=True)
    adam.tpu = adam.fp16_adam_stats = False
    if updates is not None:
        epoch_length.announce(cfg, updates)
    optimizer = FairseqAdam(adam, [torch.nn.Parameter(torch.zeros(1))])
    return WarmupLinearLRSchedule(cfg, optimizer)


def test_the_papers_schedule():
    """8 epochs of 2,233 updates: 1e-5 to 1e-4 over the first, then down to 0."""
    s = schedule(max_epoch=8)
    assert s.step_update(0) == 1e-5
    epoch_length.announce(s.cfg, 2233)
    assert s.step_update(1) == pytest.approx(1e-5 + 9e-5 / 2233)
    assert s.step_update(2233) == pytest.approx(1e-4)
    assert s.step_update(2233 + 7 * 2233 // 2) == pytest.approx(5e-5, rel=1e-3)
    assert s.step_update(8 * 2233) == 0


def test_warmup_in_updates():
    s = schedule(warmup_updates=10, total_num_update=30, end_learning_rate=2e-5)
    rates = [s.step_update(n) for n in (0, 5, 10, 20, 30, 40)]
    assert rates == pytest.approx([1e-5, 5.5e-5, 1e-4, 6e-5, 2e-5, 2e-5])


def test_half_an_epoch_of_unknown_length():
    s = schedule(warmup_epochs=0.5, total_num_update=40, max_epoch=4)
    assert s.warmup() == 5


def test_no_warmup_starts_at_the_peak():
    s = schedule(warmup_updates=0, total_num_update=10)
    assert [s.step_update(n) for n in (0, 5, 10)] == pytest.approx([1e-4, 5e-5, 0])


def test_state_keeps_the_first_epochs_length():
    s = schedule(max_epoch=2)
    epoch_length.announce(s.cfg, 10)
    s.step_update(1)
    resumed = schedule(max_epoch=2)
    epoch_length.announce(resumed.cfg, 11)
    resumed.load_state_dict(s.state_dict())
    assert resumed.step_update(15) == s.step_update(15)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"warmup_updates": 1, "warmup_epochs": 1.0}, "give one of them"),
        ({"warmup_updates": -1}, "give 0 or more"),
        ({"warmup_epochs": float("nan")}, "--warmup-epochs nan"),
        ({"warmup_init_lr": float("nan")}, "--warmup-init-lr nan"),
        ({"end_learning_rate": -1.0}, "--end-learning-rate -1.0"),
        ({"lr": [1e-4, 1e-5]}, "one learning rate"),
    ],
)
def test_bad_options(options, message):
    with pytest.raises(InputError, match=message):
        schedule(**options)


def test_no_epoch_length():
    with pytest.raises(InputError, match="does not know the number of updates"):
        schedule(total_num_update=10).step_update(1)


TOO_LONG = [
    (
        {"warmup_updates": 11, "max_update": 10},
        "^--warmup-updates 11: --max-update 10 ends training before; shorten it",
    ),
    ({"warmup_updates": 11, "total_num_update": 10, "max_update": 90}, "^--warmup-updates 11: --total-num-update 10"),
    ({"warmup_epochs": 3.0, "max_epoch": 2}, "^--warmup-epochs 3: --max-epoch 2 ends training before; shorten it"),
    ({"warmup_updates": 1}, "has no end; give --max-update, --max-epoch or --total-num-update"),
]


@pytest.mark.parametrize(("options", "message"), TOO_LONG)
def test_too_long_a_warmup_is_refused_before_anything_is_loaded(options, message):
    """As soon as fairseq builds its configuration from the flags, and also without flags."""
    flags = [part for name, value in options.items() for part in (f"--{name.replace('_', '-')}", str(value))]
    parser = get_training_parser()
    arguments = ["data", "--arch", "xlm_swcm_tiny", "--optimizer", "adam", "--lr-scheduler", "warmup_linear", *flags]
    with pytest.raises(Exception, match=message.removeprefix("^")) as caught:
        convert_namespace_to_omegaconf(parse_args_and_arch(parser, arguments))
    assert re.match(message if message[0] == "^" else f".*{message}", str(input_error(caught.value)))
    with pytest.raises(InputError, match=message):
        schedule(**options)


def test_a_warmup_in_epochs_is_refused_when_their_length_is_known():
    message = (
        r"^--warmup-epochs 1 \(the default\): .* takes 2233 updates, .* ends after 300 \(--max-update\); shorten it"
    )
    with pytest.raises(InputError, match=message):
        schedule(updates=2233, max_update=300)
    with pytest.raises(InputError, match=r"^--warmup-updates 5000: .* ends after 4466 \(--max-epoch\)"):
        schedule(updates=2233, warmup_updates=5000, max_epoch=2)


def test_fairseq_has_such_options():
    assert {"max_update", "max_epoch", "lr"} <= set(OptimizationConfig.__dataclass_fields__)
