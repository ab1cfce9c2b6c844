"""fairseq's own commands with our task: any problem with an option or a file is reported in one line."""

import io
import os
import pickle
import sys
from pathlib import Path

import pytest
import torch

from swcm_fairseq.errors import InputError
from swcm_fairseq.fairseq_errors import explained
from swcm_fairseq.interop.files import load_pickle
from swcm_fairseq.tasks.interactive_input import Utf8Lines
from tests.commands import run
from tests.faults.trainings import options, train

TASK = "multilingual_denoising_mt"


class Hostile:
    """A pickle that runs a command when it is loaded in the usual way."""

    def __reduce__(self):
        return os.system, ("touch executed",)


def write_hostile(path, protocol: int = 4) -> None:
    with open(path, "wb") as file:
        pickle.dump({"model": Hostile()}, file, protocol)


@pytest.mark.parametrize("protocol", [0, 2, 4, 5, "torch"])
def test_a_hostile_pickle_is_reported_as_such(protocol, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if protocol == "torch":
        torch.save({"model": Hostile()}, "x.pt")
    else:
        write_hostile("x.pt", protocol)
    for lazily in (True, False):
        with pytest.raises(InputError, match=r"^x.pt: refused: it would run code \(posix.system\)"):
            load_pickle(Path("x.pt"), lazily)
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (("--restore-file", "gone.pt"), "--restore-file gone.pt: no such file; give a checkpoint"),
        (("--continue-once", "gone.pt"), "--continue-once gone.pt: no such file"),
        (("--required-batch-size-multiple", 0), "--required-batch-size-multiple 0: give 1 or more"),
        (("--batch-size", 0), "--batch-size 0: give 1 or more"),
        (("--batch-size", 10**30), f"--batch-size {10**30}: give 1 or more"),
        (("--max-tokens", -5), "--max-tokens -5: give 1 or more"),
        (("--num-workers", -1), "--num-workers -1: give a number from 0 to 1024"),
        (("--num-workers", 10**6), "--num-workers 1000000: give a number from 0 to 1024"),
        (("--log-interval", 0), "--log-interval 0: give 1 or more"),
        (("--save-interval", 0), "--save-interval 0: give 1 or more"),
        (("--validate-interval", 0), "--validate-interval 0: give 1 or more"),
        (("--max-update", -1), "--max-update -1: give 0 or more"),
        (("--lr", "1e999"), "--lr inf: give 0 or more"),
        (("--clip-norm", "inf"), "--clip-norm inf: give 0 or more"),
        (("--update-freq", 0), "--update-freq 0: give"),
        (("--seed", -1), "--seed: Seed must be between 0 and 2**32 - 1"),
        (("--seed", 2**40), "--seed: Seed must be between 0 and 2**32 - 1"),
        (("--reset-optimizer", "--finetune-from-model", "x.pt"), "--finetune-from-model x.pt: no such file"),
        (("--encoder-layers", 10**7), "more than fit into this machine"),
        (("--encoder-embed-dim", 2 * 10**9), "more than fit into this machine"),
        (("--max-source-positions", 10**13), "more than fit into this machine"),
        (("--fp16", "--bf16"), "Cannot combine --fp16 and --tpu"),
    ],
    ids=str,
)
def test_training(wrong, line, data, tmp_path, error_line):
    assert line in error_line("fairseq-train", *options(data, tmp_path / "run", TASK, "--max-update", 1, *wrong))


def test_batch_size_is_missing(data, tmp_path, error_line):
    command = options(data, tmp_path / "run", TASK, "--max-update", 1)
    del command[command.index("--batch-size") :][:2]
    index = command.index("--batch-size")
    line = error_line("fairseq-train", *command[:index], *command[index + 2 :])
    assert line == "Must specify batch size either with --max-tokens or --batch-size"


@pytest.mark.parametrize("place", ["/dev/null/run", "x" * 300])
def test_a_directory_that_cannot_be_written(place, data, error_line):
    line = error_line("fairseq-train", *options(data, place, TASK, "--max-update", 1))
    assert place in line and ("Not a directory" in line or "File name too long" in line)


@pytest.mark.parametrize("task", ["multilingual_denoising_mt", "corpora_masked_lm"])
def test_a_launcher_of_several_processes_and_a_training_of_one(task, data, tmp_path, error_line, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    command = options(data, tmp_path / "run", task, "--max-update", 1)
    line = error_line("fairseq-train", *command, "--distributed-world-size", 1)
    assert "the launcher has started 2 processes (WORLD_SIZE=2)" in line
    assert "give --distributed-world-size 2 --distributed-init-method env://" in line


@pytest.mark.parametrize("option", ["--restore-file", "--finetune-from-model"])
def test_hostile_and_damaged_starts(option, data, tmp_path, error_line, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_hostile("hostile.pt")
    command = options(data, "run", TASK, "--max-update", 1, option)
    assert error_line("fairseq-train", *command, "hostile.pt").startswith(
        "hostile.pt: refused: it would run code (posix.system)"
    )
    (tmp_path / "cut.pt").write_bytes(b"PK\3\4")
    assert "cut.pt: not a checkpoint" in error_line("fairseq-train", *command, "cut.pt")
    assert not (tmp_path / "executed").exists()


class TestDecoding:
    """fairseq-generate and fairseq-interactive."""

    @pytest.fixture()
    def refused(self, data, trained, error_line, monkeypatch, tmp_path):
        """Run one of them with additional or changed options; return its error line."""
        monkeypatch.chdir(tmp_path)

        def of(program, *more, path=trained / "checkpoint_last.pt", stdin=b"\xe2\x96\x81a\n"):
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
            where = [data, "--task", TASK, "--path", path, "--cpu", "-s", "bo", "-t", "zh", "--max-len-b", 3]
            return error_line(program, *where, *more)

        return of

    @pytest.mark.parametrize("program", ["fairseq-generate", "fairseq-interactive"])
    def test_checkpoints(self, program, refused, tmp_path):
        assert refused(program, path="gone.pt").startswith("--path gone.pt: no such file")
        write_hostile("hostile.pt")
        assert "refused: it would run code (posix.system)" in refused(program, path="hostile.pt")
        assert not (tmp_path / "executed").exists()
        (tmp_path / "cut.pt").write_bytes((tmp_path / "trained/checkpoint_last.pt").read_bytes()[:-100])
        assert "cut.pt: not a readable checkpoint" in refused(program, path="cut.pt")
        torch.save({"model": {}, "args": None}, "empty.pt")
        assert "empty.pt: contains no model; give a checkpoint saved by fairseq-train" in refused(
            program, path="empty.pt"
        )
        torch.save([1, 2], "list.pt")
        assert "list.pt: not a fairseq checkpoint" in refused(program, path="list.pt")

    def test_an_encoders_checkpoint(self, refused, data, tmp_path, error_line):
        train(data, tmp_path / "encoder", "corpora_masked_lm", "--max-update", 1, "--disable-validation")
        path = tmp_path / "encoder/checkpoint_last.pt"
        assert "cannot generate text" in refused("fairseq-generate", path=path)
        command = options(data, tmp_path / "run", TASK, "--max-update", 1, "--restore-file", path)
        assert f"to start from it, use --pretrained-encoder {path}" in error_line("fairseq-train", *command)

    def test_no_checkpoint(self, data, error_line):
        for program in ("fairseq-generate", "fairseq-interactive"):
            assert error_line(program, data, "--task", TASK).startswith("--path")

    @pytest.mark.parametrize(
        ("wrong", "line"),
        [
            (("--beam", 0), "--beam 0: give a number from 1 to 10000"),
            (("--beam", -3), "--beam -3"),
            (("--nbest", 0), "--nbest 0"),
            (("--lenpen", "nan"), "--lenpen nan: give a finite number"),
            (("--temperature", 0), "--temperature 0.0"),
            (("--max-len-b", -1), "--max-len-b -1: give 0 or more"),
            (("--required-batch-size-multiple", 0), "--required-batch-size-multiple 0"),
            (("--model-overrides", "{'data'"), "--model-overrides {'data': write a dictionary"),
            (("--model-overrides", "[1]"), "--model-overrides [1]: write a dictionary"),
            (("--model-overrides", "{'nonsense': 1}"), "no checkpoint has an option 'nonsense'"),
            (("--model-overrides", "{'encoder_layers': 'many'}"), "many"),
            (("--bpe", "sentencepiece"), "--sentencepiece-model is missing"),
            (("--bpe", "sentencepiece", "--sentencepiece-model", "gone"), "--sentencepiece-model gone: no such file"),
            (("--sampling", "--beam", 2, "--nbest", 1), "--sampling requires --nbest to be equal to --beam"),
            (("--results-path", "/dev/null/x"), "/dev/null/x: Not a directory"),
        ],
        ids=str,
    )
    def test_generate(self, wrong, line, refused):
        assert line in refused("fairseq-generate", "--gen-subset", "test", *wrong)

    def test_interactive_input(self, refused, tmp_path):
        assert refused("fairseq-interactive", "--input", "gone").startswith("--input gone: No such file or directory")
        assert refused("fairseq-interactive", "--input", tmp_path).endswith("Is a directory")
        (tmp_path / "latin").write_bytes("▁a\n▁b\n".encode() + b"\xe9t\xe9\n")
        assert refused("fairseq-interactive", "--input", tmp_path / "latin").startswith(
            f"{tmp_path}/latin:3: not UTF-8"
        )
        assert refused("fairseq-interactive", stdin=b"\xff\n").startswith("standard input:1: not UTF-8")

    @pytest.mark.parametrize("how", ["standard input", "file"])
    def test_a_carriage_return_in_a_line_does_not_shift_the_outputs(
        self, how, data, trained, capsys, tmp_path, monkeypatch
    ):
        text = "▁a\r▁b\n▁c\r\n▁d\n".encode()
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text)))
        (tmp_path / "text").write_bytes(text)
        where = [data, "--task", TASK, "--path", trained / "checkpoint_last.pt", "--cpu", "-s", "bo", "-t", "zh"]
        more = ["--input", tmp_path / "text"] if how == "file" else []
        run("fairseq-interactive", *map(str, [*where, "--max-len-b", 3, "--buffer-size", 2, *more]))
        sources = [line for line in capsys.readouterr().out.splitlines() if line.startswith("S-")]
        assert sources == ["S-0\t▁a ▁b", "S-1\t▁c", "S-2\t▁d"]


def test_lines():
    lines = Utf8Lines(io.BytesIO("\ufeffa\rb\r\n\u2028c\n\n".encode()), "x")
    assert [lines.readline() for _ in range(4)] == ["a b \n", "\u2028c\n", "\n", ""]
    with pytest.raises(InputError, match=r"^x:2: not UTF-8 \(invalid start byte at byte 2 of the line\)"):
        lines = Utf8Lines(io.BytesIO(b"a\nb\xff\n"), "x")
        lines.readline()
        lines.readline()


def test_bugs_keep_their_traceback():
    """Only exceptions that pass through a fairseq command are explained, and never a KeyError."""
    try:
        raise ValueError("of a user's own program")
    except ValueError as error:
        assert explained(error) is None
