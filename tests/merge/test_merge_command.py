"""``swcm merge``: kinds of files, refused inputs, and memory use."""

import json
import multiprocessing
import re
import threading
import time
from argparse import Namespace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from tests.commands import run

SYMBOLS = [f"p{i}" for i in range(6)]


def merge(*arguments):
    run("python", "-m", "swcm_fairseq.merge", *arguments)


def state_dict(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    shapes = {"encoder.embed_tokens.weight": (6, 4), "encoder.layers.0.fc1.weight": (8, 4), "encoder.bias": (4,)}
    state = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return {**state, "steps": torch.tensor([3]), "encoder._extra_state": torch.tensor(1e-5, dtype=torch.float64)}


def checkpoint(seed: int, heads: int = 2, **task) -> dict:
    return {
        "args": None,
        "cfg": {"model": Namespace(encoder_attention_heads=heads, dropout=seed / 10)},
        "model": state_dict(seed),
        "optimizer_history": [{"num_updates": 7}],
        "extra_state": {"train_iterator": {"epoch": 5}},
        "last_optimizer_state": {"state": torch.zeros(9)},
        "task_state": {"symbols": SYMBOLS, "langs": ["bo", "zh"], **task},
    }


@pytest.fixture
def files(tmp_path, monkeypatch) -> Path:
    """A base and two models, as checkpoints, as bare state dicts and as safetensors files."""
    monkeypatch.chdir(tmp_path)
    for seed, name in enumerate(("base", "a", "b"), 1):
        torch.save(checkpoint(seed), f"{name}.pt")
        torch.save(state_dict(seed), f"{name}.bin")
        save_file(state_dict(seed), f"{name}.safetensors")
    return tmp_path


@pytest.mark.parametrize("suffix", [".pt", ".bin", ".safetensors"])
def test_the_same_weights_from_all_kinds_of_files(files, suffix, capsys):
    options = ("--method", "ties", "--densities", "0.5,1", "--base", f"base{suffix}", "--output", f"out{suffix}")
    merge(f"a{suffix}", f"b{suffix}", *options)
    ours = load_file("out.safetensors") if suffix == ".safetensors" else torch.load(f"out{suffix}", weights_only=True)
    ours = ours.get("model", ours)
    merge("a.bin", "b.bin", "--method", "ties", "--densities", "0.5,1", "--base", "base.bin", "--output", "other.bin")
    assert ours.keys() == state_dict(1).keys()
    for name, tensor in torch.load("other.bin", weights_only=True).items():
        assert torch.equal(ours[name], tensor), name
    out = capsys.readouterr().out
    assert re.search(r"model +trimmed +in conflict +lost at the election\n", out)
    assert "merged      3 tensors, 0 of them tied to another; 60 parameters" in out
    assert sorted(path.name for path in files.iterdir() if path.name.startswith("out")) == [f"out{suffix}"]


def test_a_checkpoint_keeps_the_first_models_options_and_no_optimizer(files):
    merge("a.pt", "b.pt", "--method", "average", "--weights", "0.25,0.75", "--output", "out.pt")
    state = torch.load("out.pt", weights_only=True)
    assert state["cfg"]["model"].dropout == 0.2 and state["task_state"] == checkpoint(2)["task_state"]
    assert "last_optimizer_state" not in state and state["extra_state"]["train_iterator"]["epoch"] == 1
    assert state["merge"]["models"] == ["a.pt", "b.pt"] and state["merge"]["weights"] == (0.25, 0.75)
    a, b, ours = state_dict(2), state_dict(3), state["model"]["encoder.bias"]
    assert torch.allclose(ours, (a["encoder.bias"] + 3 * b["encoder.bias"]) / 4)
    assert state["model"]["encoder._extra_state"] == 1e-5 and state["model"]["steps"] == 3


def test_three_models_and_the_shares_as_json(files):
    torch.save(checkpoint(4), "c.pt")
    options = ("--method", "ties-sv", "--base", "base.pt", "--densities", "0.2", "--shares", "shares.json")
    merge("a.pt", "b.pt", "c.pt", *options, "--slack", "0.5", "--output", "out.pt")
    shares = json.loads(Path("shares.json").read_text("utf-8"))
    assert [each["model"] for each in shares] == ["a.pt", "b.pt", "c.pt"]
    assert all(75 < each["trimmed"] < 85 for each in shares) and "kept by slack" in shares[0]


def test_tied_tensors_stay_tied(files):
    for seed, name in enumerate(("base", "a", "b"), 1):
        state = checkpoint(seed)
        state["model"]["decoder.output_projection.weight"] = state["model"]["encoder.embed_tokens.weight"]
        torch.save(state, f"{name}.pt")
    merge("a.pt", "b.pt", "--method", "dare", "--base", "base.pt", "--output", "out.pt")
    model = torch.load("out.pt", weights_only=True)["model"]
    one, other = model["encoder.embed_tokens.weight"], model["decoder.output_projection.weight"]
    assert one.data_ptr() == other.data_ptr()


def change(state: dict, **changes) -> dict:
    return {**state, "model": {**state["model"], **changes}}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("a.pt --method average", "give at least two models to merge"),
        ("a.pt b.pt --method ties", "--base is missing: ties merges what the models learned"),
        ("a.pt b.pt --method average --base base.pt", "--base has no effect with --method average"),
        ("a.pt b.pt --method average --densities 0.5", "--densities has no effect with --method average"),
        ("a.pt b.pt --method ties --base base.pt --slack 0.1", "--slack has no effect with --method ties"),
        ("a.pt b.pt --method ties --base base.pt --densities 0,1", "--densities 0: must be the share .* 0 < k <= 1"),
        ("a.pt b.pt --method ties --base base.pt --densities 1.5", "--densities 1.5: must be the share .* 0 < k <= 1"),
        (
            "a.pt b.pt --method ties --base base.pt --densities -0.1,1",
            "--densities -0.1: must be the share .* 0 < k <= 1",
        ),
        ("a.pt b.pt --method ties --base base.pt --densities nan", "--densities nan: must be the share .* 0 < k <= 1"),
        ("a.pt b.pt --method ties --base base.pt --densities 1,1,1", "--densities: 3 numbers for 2 models"),
        ("a.pt b.pt --method ties-sv --base base.pt --slack 2", "--slack 2: must be a share, from 0 to 1"),
        ("a.pt b.pt --method average --weights 1,-1", "--weights add up to 0"),
        ("a.pt b.pt --method average --weights inf,1", "must be finite numbers, not inf"),
        ("a.pt none.pt --method average", "none.pt: no such model"),
        ("a.pt b.pt --method average --output a.pt", "a.pt: would overwrite its own input"),
        ("a.pt b.pt --method average --output base.pt", "--output base.pt: already exists"),
        ("a.pt b.pt --method average --output x.safetensors", "the output will be a torch file"),
        ("a.safetensors b.safetensors --method average --output x.pt", "the output will be a safetensors file"),
        ("a.pt langs.pt --method average", "a.pt and langs.pt cannot be merged: languages: bo,zh and bo,kk"),
        ("a.pt symbols.pt --method average", "a.pt and symbols.pt cannot be merged: vocabulary: .*p5 and .*q"),
        ("a.pt heads.pt --method average", "encoder_attention_heads is 2 and 4"),
        ("a.pt shape.pt --method average", r"a.pt and shape.pt .*encoder.bias has the shapes \[4\] and \[5\]"),
        ("a.pt more.pt --method average", "more.pt has the tensor encoder.extra, a.pt does not"),
        ("more.pt a.pt --method average", "more.pt has the tensor encoder.extra, a.pt does not"),
        ("a.pt eps.pt --method average", r"encoder._extra_state differs \(1e-05 and 1e-12\)"),
        ("a.pt kind.pt --method average", "encoder.bias has different types"),
        ("a.pt nan.pt --method average", "nan.pt: encoder.bias contains NaN or infinite values"),
        ("a.pt b.pt --method ties --base more.pt", "--base more.pt is not an ancestor of a.pt: more.pt has the tensor"),
        (
            "a.pt b.pt --method ties --base shape.pt",
            r"--base shape.pt is not an ancestor of a.pt: encoder.bias has the",
        ),
        ("a.pt junk.pt --method average", "junk.pt: not a checkpoint, or a damaged one"),
        ("a.pt junk.safetensors --method average", "junk.safetensors: not a readable safetensors file"),
        ("a.pt list.pt --method average", "list.pt: neither a fairseq checkpoint nor a state dict"),
        ("a.pt text.pt --method average", "text.pt: neither a fairseq checkpoint nor a state dict"),
        ("a.pt . --method average", r"config.json: No such file"),
    ],
)
def test_refusals_are_one_line(files, capsys, arguments, message):
    good = checkpoint(2)
    odd = {
        "langs": checkpoint(2, langs=["bo", "kk"]),
        "symbols": checkpoint(2, symbols=[*SYMBOLS[:-1], "q"]),
        "heads": checkpoint(2, heads=4),
        "shape": change(good, **{"encoder.bias": torch.zeros(5)}),
        "more": change(good, **{"encoder.extra": torch.zeros(5)}),
        "eps": change(good, **{"encoder._extra_state": torch.tensor(1e-12, dtype=torch.float64)}),
        "kind": change(good, **{"encoder.bias": torch.zeros(4, dtype=torch.int64)}),
        "nan": change(good, **{"encoder.bias": torch.tensor([1, float("nan"), 0, 0])}),
        "list": [1, 2],
        "text": {"name": "value"},
    }
    for name, content in odd.items():
        torch.save(content, f"{name}.pt")
    for name in ("junk.pt", "junk.safetensors"):
        Path(name).write_bytes(b"junk" * 9)
    before = sorted(files.iterdir())
    with pytest.raises(SystemExit) as end:
        merge(*arguments.split(), *([] if "--output" in arguments else ["--output", "out.pt"]))
    line = capsys.readouterr().err
    assert line.startswith("error: ") and line.count("\n") == 1 and re.search(message, line), line
    assert end.value.code == (2 if line.startswith("error: --") else 1)
    assert sorted(files.iterdir()) == before  # nothing half-written


def test_a_list_may_begin_with_a_negative_weight(files):
    merge("a.bin", "b.bin", "--method", "average", "--weights", "-1,2", "--output", "out.bin")
    name = "encoder.layers.0.fc1.weight"
    expected = 2 * state_dict(3)[name] - state_dict(2)[name]
    torch.testing.assert_close(torch.load("out.bin", weights_only=True)[name], expected)


def test_numbers_are_numbers(files, capsys):
    with pytest.raises(SystemExit):
        merge("a.pt", "b.pt", "--method", "average", "--weights", "one,two", "--output", "out.pt")
    assert "'one,two': give numbers separated by commas" in capsys.readouterr().err


def test_files_older_than_torch_1_6_are_read(files):
    torch.save(checkpoint(2), "old.pt", _use_new_zipfile_serialization=False)
    merge("old.pt", "b.pt", "--method", "average", "--output", "out.pt")
    assert torch.load("out.pt", weights_only=True)["model"].keys() == state_dict(2).keys()


MIB = 2**20


def peak_of_merging(directory: str, pipe) -> None:
    """In a child process, measure the peak of private memory that merging adds, in MiB."""
    torch.set_num_threads(1)
    found, done = [], threading.Event()

    def private() -> int:
        (kibibytes,) = re.findall(r"RssAnon:\s+(\d+)", Path("/proc/self/status").read_text())
        return int(kibibytes) // 1024

    def watch() -> None:
        while not done.is_set():
            found.append(private())
            time.sleep(0.005)

    before, watcher = private(), threading.Thread(target=watch)
    watcher.start()
    paths = [f"{directory}/{name}.bin" for name in ("a", "b")]
    options = ("--method", "ties", "--densities", "0.5", "--base", f"{directory}/base.bin")
    merge(*paths, *options, "--output", f"{directory}/out.bin")
    done.set()
    watcher.join()
    pipe.send(max(found) - before)


def test_memory_is_that_of_a_tensor_and_not_of_a_model(tmp_path):
    tensors, size = 32, 2 * MIB // 4  # 64 MiB per model, 192 MiB in total
    for seed, name in enumerate(("base", "a", "b")):
        generator = torch.Generator().manual_seed(seed)
        torch.save({f"t{i}": torch.randn(size, generator=generator) for i in range(tensors)}, tmp_path / f"{name}.bin")
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=peak_of_merging, args=(str(tmp_path), theirs), daemon=True)
    child.start()
    try:
        peak = ours.recv() if ours.poll(280) else None
    finally:
        child.kill()
    assert peak is not None and 0 <= peak < 60, f"{peak} MiB"
    assert torch.load(tmp_path / "out.bin", weights_only=True, mmap=True).keys() == {f"t{i}" for i in range(tensors)}
