"""fairseq's own mBART in this task: converted to the data's vocabulary, trained further and decoded."""

import pytest
import torch

from swcm_fairseq.interop import mbart
from tests.interop.mbart_support import MBART_SIZE, write_mbart
from tests.tasks.task_data import PIECES

TASK = ["--user-dir", "swcm_fairseq", "--task", "multilingual_denoising_mt"]
TRAIN = """
    --criterion label_smoothed_cross_entropy --optimizer adam --lr 1e-9 --lr-scheduler fixed --max-update 2 --cpu
    --batch-size 16 --no-epoch-checkpoints --disable-validation --log-format json
""".split()


@pytest.mark.e2e
def test_trains_and_decodes(data_bin, run_fairseq, tmp_path):
    write_mbart(tmp_path / "mbart", PIECES[5:])
    start = tmp_path / "start.pt"
    mbart.main([str(tmp_path / "mbart"), "--vocab", str(data_bin), "--output", str(start)])
    where = ["--save-dir", tmp_path, "--finetune-from-model", start]
    run_fairseq("train", data_bin, *TASK, *TRAIN, *MBART_SIZE, *where)
    before, after = (torch.load(path, weights_only=True)["model"] for path in (start, tmp_path / "checkpoint_last.pt"))
    assert before.keys() == after.keys()
    for name, tensor in before.items():  # training started from the file: steps at this rate change almost nothing
        torch.testing.assert_close(after[name], tensor, atol=1e-7, rtol=0)
    assert any(not torch.equal(after[name], tensor) for name, tensor in before.items())
    checkpoint = ["--path", tmp_path / "checkpoint_last.pt", "--cpu", "--beam", "2", "--max-len-b", "10"]
    done = run_fairseq("generate", data_bin, *TASK, *checkpoint, "-s", "zh", "-t", "bo", "--batch-size", "4")
    assert sum(line.startswith("H-") for line in done.stdout.splitlines()) == 5
