"""fairseq's command lines as users type them."""

import json
import shutil

import pytest
import torch
from fairseq import options, tasks
from fairseq.dataclass.utils import convert_namespace_to_omegaconf

from tests.tasks.task_data import PIECES, random_texts, write_indexed

PLUGIN = ["--user-dir", "swcm_fairseq", "--task", "multilingual_denoising_mt"]
SWCM = """
    --user-dir swcm_fairseq --task multilingual_denoising_mt --criterion swcm_cross_entropy --arch xlm_swcm_tiny
    --encoder-layers 2 --normal-layer-interval 2 --encoder-embed-dim 16 --encoder-ffn-embed-dim 32
    --encoder-attention-heads 2 --max-source-positions 256 --max-target-positions 256
    --optimizer adam --lr 1e-3 --lr-scheduler warmup_linear --cpu --log-format json --log-interval 1 --batch-size 16
""".split()


@pytest.fixture(scope="module")
def stock_data(tmp_path_factory, run_fairseq):
    """A data directory written by stock fairseq-preprocess from text that is split into pieces."""
    text = tmp_path_factory.mktemp("text")
    data = tmp_path_factory.mktemp("stock-data-bin")
    (text / "dict.txt").write_text("".join(f"{piece} 1\n" for piece in PIECES), encoding="utf-8")
    lines = ["▁a q ▁c 。 ▁d ▁e", "▁f ▁g y z !", "▁h ▁i ▁k r s", "▁l ▁m t", "▁n ▁o ▁p q r s t", "▁a ▁c ▁e"]
    for split, number in (("train", 30), ("valid", 6), ("test", 5)):
        for lang in ("zh", "bo"):
            rows = [lines[i % len(lines) if lang == "bo" else 0] for i in range(number)]
            (text / f"{split}.{lang}").write_text("\n".join(rows) + "\n", encoding="utf-8")
    files = [f"--{split}pref={text / split}" for split in ("train", "valid", "test")]
    shared = ["--srcdict", text / "dict.txt", "--workers", "1"]
    pair = ["-s", "zh", "-t", "bo", "--joined-dictionary", "--destdir", data]
    run_fairseq("preprocess", *pair, *files, *shared)
    alone = [f"--{split}pref={text / split}.bo" for split in ("train", "valid", "test")]
    run_fairseq("preprocess", "--only-source", "--destdir", data / "bo", *alone, *shared)
    return data


@pytest.fixture(scope="module")
def trained(stock_data, run_fairseq, tmp_path_factory):
    """Train for two epochs on it, with a score that selects the best checkpoint."""
    place = tmp_path_factory.mktemp("checkpoints")
    best = ["--best-checkpoint-metric", "mt_zh-bo_rouge_l", "--maximize-best-checkpoint-metric"]
    evaluation = ["--eval-metric", "rouge_l", "--eval-samples", "3", "--eval-args", "{'beam': 2}", *best]
    where = ["--save-dir", place, "--tensorboard-logdir", place / "tensorboard"]
    done = run_fairseq("train", stock_data, *SWCM, *where, "--max-epoch", "2", *evaluation)
    return place, done.stderr + done.stdout


def logged(log: str, what: str) -> dict[str, str]:
    line = [line for line in log.splitlines() if f"| {what} |" in line][-1]
    return json.loads(line[line.index("{") :])


@pytest.mark.e2e
def test_stock_directory_trains_and_every_corpus_is_validated(trained):
    place, log = trained
    assert {path.name for path in (place / "x").parent.glob("*.pt")} >= {"checkpoint_best.pt", "checkpoint_last.pt"}
    values = logged(log, "valid")
    for group in ("dae_bo", "mt_zh-bo", "mt_bo-zh"):
        assert float(values[f"valid_{group}_loss"]) > 0 and float(values[f"valid_{group}_ppl"]) > 1
        tokens = float(values[f"valid_{group}_ntokens"])
        assert tokens == {"dae_bo": 29 + 6, "mt_zh-bo": 29 + 6, "mt_bo-zh": 6 * (6 + 1)}[group]
    assert 0 <= float(values["valid_mt_zh-bo_rouge_l"]) <= 100
    assert float(values["valid_best_mt_zh-bo_rouge_l"]) >= float(values["valid_mt_zh-bo_rouge_l"])
    assert "rouge_l" not in "".join(logged(log, "train_inner"))
    state = torch.load(place / "checkpoint_last.pt", weights_only=True)
    assert state["task_state"]["langs"] == ["bo", "kk", "mn", "ug", "zh"]


@pytest.mark.e2e
def test_generate_in_each_direction(trained, stock_data, run_fairseq):
    place, _ = trained
    where = [stock_data, *PLUGIN, "--path", place / "checkpoint_last.pt", "--cpu", "--batch-size", "2"]
    done = run_fairseq("generate", *where, "--gen-subset", "test", "-s", "zh", "-t", "bo", "--beam", "2")
    lines = [line.split("\t") for line in done.stdout.splitlines() if line[:2] in ("S-", "T-", "H-", "D-", "P-")]
    found = {key: rest for key, *rest in lines}
    assert len(found) == 5 * 5
    assert found["S-0"] == ["▁a q ▁c 。 ▁d ▁e"] and found["T-1"] == ["▁f ▁g y z !"]
    text = done.stdout
    assert not any(f"<{lang}>" in text for lang in ("bo", "zh")) and "<s>" not in text
    for number in range(5):
        assert len(found[f"P-{number}"][0].split()) == len(found[f"H-{number}"][1].split()) + 1
    assert "Generate test with beam=2: BLEU4" in done.stdout


@pytest.mark.e2e
def test_validate_gives_the_losses_of_the_training(trained, stock_data, run_fairseq):
    place, log = trained
    options = ["--path", place / "checkpoint_last.pt", "--cpu", "--batch-size", "16", "--log-format", "json"]
    done = run_fairseq("validate", stock_data, *PLUGIN, *options)
    values, expected = logged(done.stdout + done.stderr, "valid"), logged(log, "valid")
    for name in ("loss", "dae_bo_loss", "mt_bo-zh_nll_loss"):
        assert float(values[f"valid_{name}"]) == pytest.approx(float(expected[f"valid_{name}"]), abs=0.002)


@pytest.mark.e2e
def test_interactive_reads_raw_text(trained, stock_data, run_fairseq):
    place, _ = trained
    where = [stock_data, *PLUGIN, "--path", place / "checkpoint_last.pt", "--cpu", "--buffer-size", "2"]
    options = ["-s", "bo", "-t", "zh", "--sampling", "--beam", "2", "--nbest", "2", "--batch-size", "2"]
    done = run_fairseq("interactive", *where, *options, "--max-len-b", "9", stdin="▁a ▁b\n▁c q\n▁d\n")
    assert [line[:2] for line in done.stdout.splitlines()].count("H-") == 6
    assert "S-0\t▁a ▁b" in done.stdout and "S-2\t▁d" in done.stdout and "<bo>" not in done.stdout


@pytest.mark.e2e
def test_one_line_at_the_terminal(stock_data, run_fairseq, train_options, tmp_path):
    done = run_fairseq(
        "train", stock_data, *train_options, "--save-dir", tmp_path, "--sampling-alpha", "2", "--max-epoch", "1",
        ok=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: --sampling-alpha 2.0: give a number above 0")


@pytest.mark.e2e
def test_a_sixth_language_is_added_to_a_finished_checkpoint(trained, stock_data, run_fairseq, tmp_path):
    place, _ = trained
    data = shutil.copytree(stock_data, tmp_path / "six")
    for split in ("train", "valid"):
        write_indexed(data / "za" / split, random_texts(20, 9, seed=0))
    more = ["--langs", "bo,kk,mn,ug,zh,za", "--pretrained-decoder", "--save-dir", str(tmp_path / "checkpoints")]
    command = [str(data), *SWCM, *more, "--pretrained-encoder", str(place / "checkpoint_last.pt")]

    here = [argument for argument in command if argument not in ("--user-dir", "swcm_fairseq")] + ["--max-epoch", "1"]
    cfg = convert_namespace_to_omegaconf(options.parse_args_and_arch(options.get_training_parser(), here))
    task = tasks.setup_task(cfg.task)
    started = task.build_model(cfg.model).state_dict()
    old = torch.load(place / "checkpoint_last.pt")["model"]
    grown = {name for name, tensor in old.items() if started[name].shape != tensor.shape}
    assert started.keys() == old.keys() and "encoder.embed_tokens.weight" in grown
    for name, tensor in old.items():
        assert torch.equal(started[name][: len(tensor)] if name in grown else started[name], tensor), name
        assert name not in grown or len(started[name]) == len(tensor) + 1
    assert task.dictionary.index("<za>") == len(task.dictionary) - 1

    done = run_fairseq("train", *command, "--max-epoch", "1")
    assert float(logged(done.stdout + done.stderr, "valid")["valid_dae_za_loss"]) > 0

    # The checkpoint knows its languages: --langs is not repeated.
    where = [data, *PLUGIN, "--path", tmp_path / "checkpoints/checkpoint_last.pt", "--cpu", "--gen-subset", "valid"]
    done = run_fairseq("generate", *where, "--corpora", "za", "-s", "za", "-t", "za", "--max-len-b", "5")
    assert sum(line.startswith("H-") for line in done.stdout.splitlines()) == 20 and "<za>" not in done.stdout
