"""fairseq's own command lines and stock translation task: start, resume, fine-tune, generate, two processes."""

import os
import random
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from fairseq.checkpoint_utils import load_model_ensemble_and_task
from fairseq.data import Dictionary
from fairseq.data.indexed_dataset import MMapIndexedDatasetBuilder
from fairseq_cli import generate, train

from swcm_fairseq import train as bf16_train
from swcm_fairseq.data.vocabulary import dictionary_from_sentencepiece, load_sentencepiece
from swcm_fairseq.errors import InputError, input_error
from swcm_fairseq.models.model import XLMSWCMModel

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
XLMR = ROOT / "tests" / "interop" / "fixtures" / "xlmr"
MODEL = [
    "--arch", "xlm_swcm_tiny", "--encoder-layers", "2", "--encoder-embed-dim", "16", "--encoder-ffn-embed-dim", "32",
    "--encoder-attention-heads", "2", "--normal-layer-interval", "2", "--max-source-positions", "40",
    "--max-target-positions", "40",
]  # fmt: skip
TASK = ["--user-dir", str(ROOT / "swcm_fairseq"), "--task", "translation", "-s", "zh", "-t", "bo", "--cpu"]
TRAIN = [
    *TASK, *MODEL, "--criterion", "cross_entropy", "--optimizer", "adam", "--lr", "0.001", "--batch-size", "4",
    "--required-batch-size-multiple", "1", "--no-progress-bar", "--num-workers", "0", "--disable-validation",
    "--no-epoch-checkpoints",
]  # fmt: skip


def vocabulary() -> Dictionary:
    return dictionary_from_sentencepiece(load_sentencepiece(XLMR / "sentencepiece.bpe.model"))


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """A data directory in fairseq-preprocess's layout: 40 pairs, whose targets are the reversed sources."""
    directory = tmp_path_factory.mktemp("data-bin")
    generator, dictionary = random.Random(0), vocabulary()
    for split in ("train", "test"):
        lines = [[generator.randrange(4, len(dictionary)) for _ in range(generator.randint(2, 6))] for _ in range(40)]
        for lang, rows in (("zh", lines), ("bo", [line[::-1] for line in lines])):
            stem = directory / f"{split}.zh-bo.{lang}"
            builder = MMapIndexedDatasetBuilder(f"{stem}.bin")
            for row in rows:
                builder.add_item(torch.tensor([*row, dictionary.eos()]))
            builder.finalize(f"{stem}.idx")
    for lang in ("zh", "bo"):
        dictionary.save(str(directory / f"dict.{lang}.txt"))
    return directory


def run(main, *arguments: str) -> None:
    """Run a fairseq command in this process."""
    argv = sys.argv
    sys.argv = ["fairseq", *map(str, arguments)]
    try:
        main.cli_main() if hasattr(main, "cli_main") else main.main()
    finally:
        sys.argv = argv


def subprocess_run(*command: object) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, env=environment)


def weights(path: Path) -> dict[str, torch.Tensor]:
    return torch.load(path, weights_only=True)["model"]


@pytest.fixture(scope="module")
def trained(data, tmp_path_factory) -> tuple[Path, Path]:
    """Train for three updates from an encoder, then delete the encoder's directory; (save dir, encoder)."""
    save_dir = tmp_path_factory.mktemp("trained")
    encoder = Path(shutil.copytree(XLMR, save_dir / "encoder"))
    done = subprocess_run(
        "-m", "fairseq_cli.train", data, *TRAIN, "--save-dir", save_dir, "--pretrained-encoder", encoder,
        "--max-update", "3",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    log = done.stdout + done.stderr
    assert "3 decoder layers: inherit 0, inherit 1, normal" in log
    assert f"embedding rows: {len(vocabulary())} copied by piece, 0 new" in log
    assert "hydra" not in log.lower()
    assert not any("'checkpoint': {" in line for line in log.splitlines()), "fairseq's whole configuration"
    shutil.rmtree(encoder)
    return save_dir, encoder


def test_resume_without_the_encoder(data, trained, tmp_path):
    save_dir, encoder = trained
    resumed = Path(shutil.copytree(save_dir, tmp_path / "resumed"))
    run(train, data, *TRAIN, "--save-dir", resumed, "--pretrained-encoder", encoder, "--max-update", "5")
    state = torch.load(resumed / "checkpoint_last.pt", weights_only=True)
    assert state["optimizer_history"][-1]["num_updates"] == 5


@pytest.mark.parametrize("flag", ["--finetune-from-model", "--restore-file"])
def test_other_ways_to_start_from_a_checkpoint(data, trained, tmp_path, flag):
    save_dir, encoder = trained
    source = save_dir / "checkpoint_last.pt"
    reset = ["--reset-optimizer", "--reset-dataloader", "--reset-meters"] if flag == "--restore-file" else []
    run(
        train, data, *TRAIN, *reset, flag, source, "--save-dir", tmp_path, "--pretrained-encoder", encoder,
        "--max-update", "4", "--lr", "1e-30",
    )  # fmt: skip
    before, after = weights(source), weights(tmp_path / "checkpoint_last.pt")
    for name, tensor in before.items():
        torch.testing.assert_close(after[name], tensor, msg=name)


def test_finetuning_another_architecture_is_one_line(data, trained, tmp_path):
    """fairseq wraps errors in an exception of its own, but the line shown is ours."""
    source = trained[0] / "checkpoint_last.pt"
    with pytest.raises(Exception, match="Cannot load model parameters") as caught:
        run(train, data, *TRAIN, "--finetune-from-model", source, "--save-dir", tmp_path, "--tie-ffn")
    assert "remove --tie-ffn" in str(input_error(caught.value))


def test_frozen_parameters_keep_their_values(data, trained, tmp_path):
    """Half precision with weight decay: refused if fairseq's optimizer would decay them, exact otherwise."""
    source = trained[0] / "checkpoint_last.pt"
    command = [
        data, *TRAIN, "--finetune-from-model", source, "--save-dir", tmp_path, "--max-update", "3", "--fp16",
        "--fp16-init-scale", "4", "--weight-decay", "0.5", "--lr", "0.01", "--freeze-encoder-updates", "9",
        "--freeze-embeddings-updates", "9",
    ]  # fmt: skip
    with pytest.raises(InputError, match="set --weight-decay 0"):
        run(train, *command)
    run(train, *command, "--memory-efficient-fp16")
    before, after = weights(source), weights(tmp_path / "checkpoint_last.pt")
    moved = {name for name, tensor in after.items() if not torch.equal(tensor.half(), before[name].half())}
    assert moved
    assert all(name.startswith("decoder.layers.") for name in moved)


def test_half_precision_resumes_exactly(data, tmp_path):
    """fairseq's own adam would resume from rounded parameters; see --optimizer fused_adamw."""
    command = [data, *TRAIN, "--pretrained-encoder", XLMR, "--bf16", "--optimizer", "fused_adamw"]

    def states(name: str, *updates: str) -> list[torch.Tensor]:
        for end in updates:
            run(bf16_train, *command, "--save-dir", tmp_path / name, "--max-update", end)
        state = torch.load(tmp_path / name / "checkpoint_last.pt", weights_only=True)
        return [*state["model"].values(), *state["last_optimizer_state"]["full_precision"]]

    unbroken, resumed = states("unbroken", "8"), states("resumed", "4", "8")
    assert len(unbroken) > 100
    assert all(torch.equal(a, b) for a, b in zip(unbroken, resumed, strict=True))


def test_generate_and_from_pretrained_after_moving(data, trained, tmp_path, capsys):
    """The checkpoint suffices: the encoder and the training directory are gone."""
    save_dir, _ = trained
    shutil.copy(save_dir / "checkpoint_last.pt", tmp_path / "model.pt")
    hidden = save_dir.rename(tmp_path / "hidden")
    try:
        arguments = [data, *TASK, "--path", tmp_path / "model.pt", "--gen-subset", "test", "--batch-size", "7",
                     "--required-batch-size-multiple", "1"]  # fmt: skip
        run(generate, *arguments, "--beam", "5", "--print-alignment")
        out = capsys.readouterr().out
        hub = XLMSWCMModel.from_pretrained(str(tmp_path), "model.pt", str(data))
        sentences = [hub.encode("▁a ▁b"), hub.encode("中 国 人")]
        five, one = hub.generate(sentences, beam=5), hub.generate(sentences, beam=1)
        again = hub.generate(sentences, beam=5)
    finally:
        hidden.rename(save_dir)
    assert len([line for line in out.splitlines() if line.startswith("H-")]) == 40
    assert [len(hypotheses) for hypotheses in (*five, *one)] == [5, 5, 1, 1]
    for first, second in zip(five, again, strict=True):
        assert torch.equal(first[0]["tokens"], second[0]["tokens"])


def test_generate_with_fewer_layers(data, trained, capsys):
    """LayerDrop's pruning: fairseq's own flag makes a smaller model from a checkpoint."""
    save_dir, _ = trained
    keep = "{'encoder_layers_to_keep': '1', 'decoder_layers_to_keep': '1,2'}"
    arguments = [data, *TASK, "--path", save_dir / "checkpoint_last.pt", "--gen-subset", "test", "--beam", "2"]
    run(generate, *arguments, "--model-overrides", keep)
    assert "H-0\t" in capsys.readouterr().out


def test_average_of_checkpoints(data, trained, tmp_path):
    """Like fairseq's scripts/average_checkpoints.py: clone, add and divide every entry of the state dict."""
    save_dir, _ = trained
    state = torch.load(save_dir / "checkpoint_last.pt", weights_only=True)
    averaged = {}
    for _ in range(3):
        for name, tensor in state["model"].items():
            averaged[name] = tensor.clone() if name not in averaged else averaged[name] + tensor
    for tensor in averaged.values():
        tensor.div_(3)
    torch.save({**state, "model": averaged}, tmp_path / "average.pt")
    models, _, _ = load_model_ensemble_and_task([str(tmp_path / "average.pt")], {"data": str(data)})
    assert models[0].encoder.layer_norm_eps == pytest.approx(1e-5, rel=1e-12)
    for name, parameter in models[0].named_parameters():
        torch.testing.assert_close(parameter, state["model"][name])


def test_missing_encoder_from_scratch(data, tmp_path):
    with pytest.raises(InputError, match=r"--pretrained-encoder .*nothing: no such file or directory"):
        run(
            train, data, *TRAIN, "--save-dir", tmp_path, "--pretrained-encoder", tmp_path / "nothing",
            "--max-update", "1",
        )  # fmt: skip


def test_architecture_that_does_not_fit_the_encoder(data, tmp_path):
    with pytest.raises(InputError, match="--encoder-layers 3; give 2"):
        run(
            train, data, *TRAIN, "--encoder-layers", "3", "--save-dir", tmp_path, "--pretrained-encoder", XLMR,
            "--max-update", "1",
        )  # fmt: skip


def test_fairseqs_unsupported_options_are_refused(data, tmp_path, capsys):
    with pytest.raises(SystemExit):
        run(train, data, *TRAIN, "--encoder-normalize-before", "--save-dir", tmp_path)
    assert "unrecognized arguments: --encoder-normalize-before" in capsys.readouterr().err


HYDRA = """
common: {{user_dir: {root}/swcm_fairseq, cpu: true, no_progress_bar: true}}
task: {{_name: translation, data: {data}, source_lang: zh, target_lang: bo}}
model: {{_name: xlm_swcm_tiny, encoder_layers: 2, encoder_embed_dim: 16, encoder_ffn_embed_dim: 32,
  encoder_attention_heads: 2, normal_layer_interval: 2, max_source_positions: 40, max_target_positions: 40,
  pretrained_encoder: {encoder}}}
criterion: {{_name: cross_entropy}}
optimizer: {{_name: adam}}
lr_scheduler: {{_name: fixed, warmup_updates: 0}}
dataset: {{batch_size: 4, required_batch_size_multiple: 1, num_workers: 0, disable_validation: true}}
optimization: {{max_update: 3, lr: [0.001]}}
checkpoint: {{save_dir: {save_dir}, no_epoch_checkpoints: true}}
hydra: {{run: {{dir: {save_dir}/hydra}}}}
"""


def test_hydra_trains_what_the_command_line_trains(data, trained, tmp_path):
    """The same options and seed, with defaults for all other options, give the same weights."""
    save_dir, _ = trained
    text = HYDRA.format(root=ROOT, data=data, encoder=XLMR, save_dir=tmp_path / "out")
    (tmp_path / "run.yaml").write_text(text)
    done = subprocess_run("-m", "fairseq_cli.hydra_train", "--config-dir", tmp_path, "--config-name", "run")
    assert done.returncode == 0, done.stderr
    expected, actual = (weights(path / "checkpoint_last.pt") for path in (save_dir, tmp_path / "out"))
    assert expected.keys() == actual.keys()
    for name, tensor in expected.items():
        assert torch.equal(actual[name], tensor), name


def test_two_processes_train_like_one(data, tmp_path):
    """With the same global batch and no dropout, parameters after five updates agree to 1e-6.

    The optimizer is SGD because Adam amplifies the rounding error of gradients that should be zero (key biases).
    fairseq infers GPUs from torchrun's environment, so on the CPU, the test sets the ranks and uses legacy_ddp, which
    accepts CPU tensors.
    """
    common = [
        data, *TRAIN, "--dropout", "0", "--attention-dropout", "0", "--pretrained-encoder", XLMR, "--max-update", "5",
        "--optimizer", "sgd", "--lr", "0.05",
    ]  # fmt: skip
    run(train, *common, "--update-freq", "2", "--save-dir", tmp_path / "one")
    distributed = [
        "--save-dir", tmp_path / "two", "--distributed-backend", "gloo", "--ddp-backend", "legacy_ddp",
        "--distributed-init-method", "env://", "--distributed-world-size", "2", "--distributed-no-spawn",
    ]  # fmt: skip
    command = shlex.join(map(str, [sys.executable, "-m", "fairseq_cli.train", *common, *distributed]))
    done = subprocess_run(
        "-m", "torch.distributed.run", "--nproc_per_node", "2", "--master_port", str(random.randint(20000, 60000)),
        "--no-python", "bash", "-c", f"exec {command} --distributed-rank $RANK",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    one, two = (torch.load(tmp_path / name / "checkpoint_last.pt", weights_only=True) for name in ("one", "two"))
    assert two["cfg"]["distributed_training"]["distributed_world_size"] == 2
    assert one["model"].keys() == two["model"].keys()
    for name, tensor in one["model"].items():
        torch.testing.assert_close(two["model"][name], tensor, atol=1e-6, rtol=0)
    encoder, decoder = (one["model"][f"{half}.layers.0.fc1.weight"] for half in ("encoder", "decoder"))
    assert not torch.equal(encoder, decoder), "nothing was trained"
