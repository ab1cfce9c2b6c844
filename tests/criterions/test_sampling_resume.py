"""Scheduled sampling in fairseq-train: killing and resuming the run in the middle of the decay changes nothing."""

import json
import sys

import pytest
import torch

from tests.tasks.task_data import fill
from tests.tasks.test_exact_resume import run

OPTIONS = """
    --user-dir swcm_fairseq --task multilingual_denoising_mt --arch xlm_swcm --encoder-layers 1
    --normal-layer-interval 1 --encoder-embed-dim 16 --encoder-ffn-embed-dim 32 --encoder-attention-heads 2
    --criterion swcm_cross_entropy --label-smoothing 0.1 --teacher-forcing-final-ratio 0.2
    --teacher-forcing-decay-unit epochs --teacher-forcing-decay-start 0.5 --teacher-forcing-decay-end 2
    --first-pass-sampling --first-pass-topk 5
    --optimizer adam --lr 1e-3 --lr-scheduler fixed --batch-size 20 --update-freq 2 --max-epoch 3
    --save-interval-updates 6 --no-epoch-checkpoints --disable-validation
    --cpu --num-workers 0 --log-format json --log-interval 1
""".split()


def updates(log: str) -> dict[int, dict]:
    """The log of each update, without times and without corpora that do not occur in the update (None)."""
    rows = [json.loads(line[line.index("{") :]) for line in log.splitlines() if "| train_inner |" in line]
    timed = ("wps", "ups", "wall", "train_wall")
    return {int(row["num_updates"]): {k: v for k, v in row.items() if k not in timed and v is not None} for row in rows}


@pytest.mark.e2e
def test_kill_and_resume_in_the_middle_of_the_decay(repository, tmp_path):
    data = fill(tmp_path / "data")
    command = [sys.executable, "-m", "fairseq_cli.train", str(data), *OPTIONS, "--save-dir"]
    whole = updates(run([*command, str(tmp_path / "whole")], repository))
    killed = updates(run([*command, str(tmp_path / "killed")], repository, kill_after=15))
    resumed = updates(run([*command, str(tmp_path / "killed")], repository))

    epoch = next(n for n, row in whole.items() if row["epoch"] == 2) - 1
    assert epoch % 6 and min(resumed) - 1 in (12, 18)  # resumed within an epoch
    assert 0.2 < float(resumed[min(resumed)]["teacher_forcing"]) < 1
    assert resumed == {n: row for n, row in whole.items() if n in resumed}
    assert {n: killed[n] for n in range(1, 13)} == {n: whole[n] for n in range(1, 13)}
    states = [torch.load(tmp_path / name / "checkpoint_last.pt")["model"] for name in ("whole", "killed")]
    assert all(torch.equal(value, states[1][name]) for name, value in states[0].items())

    ratios = [float(row["teacher_forcing"]) for row in whole.values()]
    assert ratios[: epoch // 2] == [1.0] * (epoch // 2)
    assert ratios[2 * epoch - 1 :] == [0.2] * (len(ratios) - 2 * epoch + 1)
    halfway = whole[epoch + epoch // 4]
    assert float(halfway["replaced"]) == pytest.approx(1 - float(halfway["teacher_forcing"]), abs=0.2)
    for name in ("dae_bo", "dae_zh", "mt_zh-bo", "mt_ti_sum"):
        assert float(next(row[f"{name}_ppl"] for row in whole.values() if f"{name}_ppl" in row)) > 1
