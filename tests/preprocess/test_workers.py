"""Every command writes the same files with one process and with four."""

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from preprocess import clean, extract, run, stats, vocab, vocab_extend, vocab_prune
from preprocess.sentences import main as sentences_main
from preprocess.steps.parallel import ordered_map
from preprocess.steps.work_options import WorkOptions
from swcm_fairseq.errors import InputError
from tests.preprocess.conftest import SENTENCES, sentences, write_lines


def written(folder: Path) -> dict[str, bytes]:
    """File name -> content; paths inside files are normalized, because they contain the folder's name."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes().replace(str(folder).encode(), b"") for path in files}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """MC2's format: menus in many documents, titles, damaged lines, more than one batch for each process."""
    folder = tmp_path_factory.mktemp("corpus")
    records = [
        {"title": f"ཁ་བྱང་ {i}།", "text": f"གདོང་ངོས། | བརྙན།\n\n{text}\n{text[::-1]}", "url": ""}
        for i, text in enumerate(sentences("bo", 900))
    ]
    rows = [json.dumps(record, ensure_ascii=False) for record in records]
    rows[700:700] = ["not json", '{"title": "no text"}', ""]
    return write_lines(folder / "mc2.jsonl", rows)


COMMANDS = {
    "extract": (extract.main, "mc2 --input {corpus} --lang bo --output {out}/t --rejects {out}/r"),
    "paragraphs": (
        extract.main,
        "mc2 --input {corpus} --lang bo --output {out}/t --rejects {out}/r --repeated-paragraphs 9",
    ),
    "summaries": (extract.main, "mc2 --use summary --input {corpus} --lang bo --output {out}/t --rejects {out}/r"),
    "clean": (clean.main, "--lang bo --input {text} --output {out}/t --rejects {out}/r --fold"),
    "sentences": (sentences_main, "--lang bo --input {text} --output {out}/t --rejects {out}/r"),
    "vocab": (vocab.main, "--input bo={text} kk={kk} --size 200 --alpha 0.3 --output {out}/v"),
    "vocab_extend": (
        vocab_extend.main,
        "--vocab {vocabulary} --input ug={ug} --size 120 --output {out}/v --check {kk}",
    ),
    "vocab_prune": (vocab_prune.main, "--vocab {vocabulary} --input bo={text} --output {out}/v"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_one_and_four_workers_write_the_same_files(name, corpus, vocabulary_dir, tmp_path, capsys):
    main, arguments = COMMANDS[name]
    count = 4500 if name in ("clean", "sentences") else 1100  # several blocks
    inputs = {
        lang: write_lines(tmp_path / f"{lang}.txt", [*sentences(lang, count), "x"]) for lang in ("bo", "kk", "ug")
    }
    found = []
    for workers in (1, 4):
        out = tmp_path / str(workers)
        places = {"corpus": corpus, "out": out, "vocabulary": vocabulary_dir, "text": inputs["bo"], **inputs}
        main([*arguments.format(**places).split(), "--workers", str(workers)])
        found.append((written(out), capsys.readouterr().out.replace(str(out), "")))
    assert found[0] == found[1]
    assert found[0][0]


def tenfold(number):
    if number == 3:
        raise InputError("3 is invalid")
    return 10 * number


@pytest.mark.parametrize("workers", [1, 2, 4])
@pytest.mark.parametrize(("last", "expected"), [(3, [0, 10, 20, "3 is invalid"]), (2, [0, 10, "no item 2"])])
def test_the_first_error_comes_after_the_results_before_it(workers, last, expected):
    """Whether the work or its items raise the error, and however many items are read ahead."""

    def items():
        yield from range(last)
        if last == 3:
            yield 3
        raise InputError(f"no item {last}")

    found = []
    with pytest.raises(InputError) as error:
        found.extend(ordered_map(tenfold, items(), workers))
    assert [*found, str(error.value)] == expected


def test_ctrl_c_while_processes_start_is_not_lost():
    """The interrupt comes in a function that runs after the fork, where Python ignores exceptions."""
    code = """import os, signal
from preprocess.steps.parallel import ordered_map
from swcm_fairseq.errors import run_command
os.register_at_fork(after_in_parent=lambda: signal.raise_signal(signal.SIGINT))
run_command(lambda: list(ordered_map(abs, range(9), 2)))"""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored if tests run in the background
    )
    assert (done.returncode, done.stderr) == (130, "interrupted; the same command continues where it stopped\n")


def test_statistics_with_four_workers(run, texts, capsys):
    data_bin = run("--mono", *(f"{lang}:train={texts[lang]}" for lang in SENTENCES))
    printed = []
    for workers in ("1", "4"):
        capsys.readouterr()
        stats.main([str(data_bin), "--workers", workers])
        printed.append(capsys.readouterr().out)
    assert printed[0] == printed[1]


def test_the_manifests_workers_reach_every_step(corpus, vocabulary_dir, tmp_path, monkeypatch):
    """The command line option overrides the manifest's; both give the same files as one process."""
    asked: dict[str, set[int]] = {}
    for step in (run.extract, run.clean, run.binarize):

        def recorded(*arguments, step=step):
            (work,) = (each for each in arguments if isinstance(each, WorkOptions))
            asked.setdefault(step.__name__, set()).add(work.workers)
            return step(*arguments)

        monkeypatch.setattr(run, step.__name__, recorded)
    entry = {"name": "bo", "format": "mc2", "input": str(corpus), "lang": "bo", "repeated_paragraphs": 9}
    content = {"vocabulary": str(vocabulary_dir), "output": "unused", "work": "unused", "workers": 3}
    entries = [{**entry, "split": {"train": 0.9, "valid": 0.1}, "limit": {"train": 500}}]
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(yaml.safe_dump({**content, "corpora": entries}), encoding="utf-8")
    for workers in ([], ["--workers", "1"]):
        out = tmp_path / "-".join(["out", *workers[1:]])
        run.main([str(manifest), "--output", f"{out}/data-bin", "--work", f"{out}/work", *workers])
    assert set(map(frozenset, asked.values())) == {frozenset({3, 1})} and len(asked) == 3
    several, one = (
        {name: data for name, data in written(tmp_path / folder).items() if not name.endswith(".json")}
        for folder in ("out", "out-1")
    )
    assert several == one
    assert several["work/bo/train-valid/train.bo"].count(b"\n") == 500
