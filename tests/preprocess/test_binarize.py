"""Binarization: adding, replacing, resuming, interrupting, parallel work, refused inputs."""

import gzip
import lzma
import multiprocessing
import os
import random
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import zstandard
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tqdm import tqdm

from preprocess import binarize, vocab
from preprocess.databin import data_directory
from preprocess.databin.encoding import Encoder
from preprocess.databin.indexed_files import IndexedWriter
from swcm_fairseq import output_files
from swcm_fairseq.data.corpora import Corpora, Kind
from swcm_fairseq.data.vocabulary import Vocabulary
from swcm_fairseq.errors import InputError
from tests.preprocess.conftest import read_ids, sentences, write_lines


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path.relative_to(directory)): path.read_bytes() for path in sorted(directory.rglob("*.*"))}


def test_names_and_counts_of_each_kind_of_corpus(run, texts, vocabulary_dir):
    data_bin = run(
        *("--mono", f"bo:train={texts['bo']}", f"bo:valid={texts['bo']}"),
        *("--pair", f"zh-bo:train={texts['zh']},{texts['bo']}", f"bo-bo:ti_sum:test={texts['bo']},{texts['bo']}"),
        *("--plain", f"train={texts['kk']}", f"train={texts['mn']}"),
    )
    corpora = Corpora.read(data_bin)
    assert [(each.name, each.kind, each.source_lang, each.target_lang) for each in corpora.corpora] == [
        ("bo", Kind.MONO, "bo", "bo"),
        ("ti_sum", Kind.PAIR, "bo", "bo"),
        ("zh-bo", Kind.PAIR, "zh", "bo"),
    ]
    pair = corpora.corpora[2].splits["train"]
    assert (pair.source, pair.target) == ("train.zh-bo.zh", "train.zh-bo.bo")
    assert (corpora.corpora[1].splits["test"].source, corpora.corpora[1].splits["test"].target) == (
        "test.ti_sum.source",
        "test.ti_sum.target",
    )
    ids = read_ids(data_bin / pair.target)
    unknown = Vocabulary(vocabulary_dir).dictionary.unk()
    assert (pair.samples, pair.target_tokens) == (60, sum(map(len, ids)))
    assert pair.target_unknown == sum(line.count(unknown) for line in ids)
    assert len(read_ids(data_bin / "train")) == 120


def test_piece_counts_are_those_of_the_files(run, texts):
    data_bin = run("--mono", f"bo:train={texts['bo']}", "--pair", f"zh-bo:train={texts['zh']},{texts['bo']}")
    corpora = Corpora.read(data_bin)
    expected = np.bincount(
        np.concatenate([line for name in ("bo/train", "train.zh-bo.bo") for line in read_ids(data_bin / name)]),
        minlength=corpora.vocabulary_size,
    )
    assert np.array_equal(corpora.piece_counts("bo"), expected)


def test_lengths_are_those_of_the_file(run, tmp_path):
    text = write_lines(tmp_path / "text", ["ཀ" * length for length in range(1, 201)])
    data_bin = run("--mono", f"bo:train={text}")
    lengths = sorted(map(len, read_ids(data_bin / "bo/train")))
    expected = {str(q): lengths[2 * q - 1] for q in (50, 90, 99, 100)}
    assert Corpora.read(data_bin).corpora[0].splits["train"].source_lengths == expected


def test_a_second_run_adds_replaces_and_keeps_the_rest(run, texts, tmp_path):
    run("--mono", f"bo:train={texts['bo']}", f"zh:train={texts['zh']}")
    before = contents(tmp_path / "data-bin")
    shorter = write_lines(tmp_path / "shorter", sentences("zh", 7))
    data_bin = run("--mono", f"zh:train={shorter}", f"ug:valid={texts['ug']}")
    after = contents(data_bin)
    assert len(read_ids(data_bin / "zh/train")) == 7
    assert after["bo/train.bin"] == before["bo/train.bin"]
    splits = {
        each.name: {name: s.samples for name, s in each.splits.items()} for each in Corpora.read(data_bin).corpora
    }
    assert splits == {"bo": {"train": 60}, "ug": {"valid": 60}, "zh": {"train": 7}}


def test_existing_splits_are_not_redone(run, texts, capsys):
    data_bin = run("--mono", f"bo:train={texts['bo']}")
    written = (data_bin / "bo/train.bin").stat().st_mtime_ns
    run("--mono", f"bo:train={texts['bo']}")
    assert (data_bin / "bo/train.bin").stat().st_mtime_ns == written
    assert "existed" in capsys.readouterr().out
    run("--mono", f"bo:train={texts['bo']}", "--max-chars", "99999")  # another option could change the output
    assert (data_bin / "bo/train.bin").stat().st_mtime_ns > written


def test_workers_do_not_change_a_byte(vocabulary_dir, tmp_path):
    source = write_lines(tmp_path / "zh", [*sentences("zh", 5000), ""])
    target = write_lines(tmp_path / "bo", [*sentences("bo", 5000), "x"])
    made = []
    for workers in (1, 4):
        output = tmp_path / f"data-bin-{workers}"
        binarize.main(
            f"--vocab {vocabulary_dir} --output {output} --workers {workers} --rejects {output}.rejects "
            f"--mono zh:train={source} --pair zh-bo:train={source},{target}".split()
        )
        made.append((contents(output), Path(f"{output}.rejects").read_text()))
    assert made[0] == made[1]
    assert made[0][1] == f"{source}:5001:blank\n" * 2


def test_an_error_in_a_worker_is_one_line(run, tmp_path):
    text = tmp_path / "text"
    text.write_bytes("རྒྱ\n".encode() * 4999 + b"\xff\n" + "རྒྱ\n".encode() * 4999)
    with pytest.raises(InputError, match=f"{text}:5000: invalid UTF-8"):
        run("--mono", f"bo:train={text}", "--workers", "2")
    assert not list((tmp_path / "data-bin").rglob("*.partial"))


def binarize_with_a_lock_of_its_own(arguments):
    """Forked processes share tqdm's lock: if one were killed while holding it, this process would wait forever."""
    tqdm.set_lock(threading.RLock())
    binarize.main(arguments)


@pytest.mark.parametrize("workers", [1, 2])
def test_interrupted_at_ten_random_moments(vocabulary_dir, tmp_path, workers):
    """After a kill at any moment, only complete files exist; repeating gives the files of an uninterrupted run."""
    text = {lang: write_lines(tmp_path / lang, sentences(lang, 4000)) for lang in ("bo", "zh")}

    def arguments(output):
        return (
            f"--vocab {vocabulary_dir} --output {output} --workers {workers} --again "
            f"--mono bo:train={text['bo']} zh:train={text['zh']} --pair zh-bo:train={text['zh']},{text['bo']}"
        ).split()

    start = time.monotonic()
    binarize.main(arguments(tmp_path / "reference"))
    duration = time.monotonic() - start
    reference = contents(tmp_path / "reference")
    context = multiprocessing.get_context("fork")
    moments = random.Random(workers)
    for _ in range(10):
        process = context.Process(target=binarize_with_a_lock_of_its_own, args=(arguments(tmp_path / "data-bin"),))
        process.start()
        process.join(moments.uniform(0, 1.1 * duration))
        process.kill()
        process.join()
        found = contents(tmp_path / "data-bin") if (tmp_path / "data-bin").exists() else {}
        for name in found:
            if name.endswith(".idx"):
                assert found[name] == reference[name]
                assert found[name.replace(".idx", ".bin")] == reference[name.replace(".idx", ".bin")]
    binarize.main(arguments(tmp_path / "data-bin"))
    assert contents(tmp_path / "data-bin") == reference


def test_a_killed_worker_is_one_line(run, texts, monkeypatch, tmp_path):
    monkeypatch.setattr(Encoder, "__call__", lambda *_: os._exit(9))
    with pytest.raises(InputError, match="a worker process was killed"):
        run("--mono", f"bo:train={texts['bo']}", "--workers", "2")
    assert not list((tmp_path / "data-bin").rglob("*.partial"))


def test_ctrl_c_leaves_nothing_half_written(run, texts, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(IndexedWriter, "finish", stop)
    with pytest.raises(KeyboardInterrupt):
        run("--mono", f"bo:train={texts['bo']}")
    assert not list((tmp_path / "data-bin").rglob("*.partial"))


def test_full_disk_is_one_line_and_leaves_nothing(run, texts, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(IndexedWriter, "add", full)
    with pytest.raises(InputError, match="No space left on device; make room"):
        run("--mono", f"bo:train={texts['bo']}")
    assert {path.name for path in (tmp_path / "data-bin").rglob("*") if path.is_file()} == {
        "sentencepiece.bpe.model",
        "dict.txt",
    }


def test_two_writers_are_refused(vocabulary_dir, tmp_path, run, texts, monkeypatch):
    monkeypatch.setattr(output_files, "_LOCK_ATTEMPTS", 1)
    with (
        data_directory.DataBin(tmp_path / "data-bin", Vocabulary(vocabulary_dir)),
        pytest.raises(InputError, match="another command is writing there"),
    ):
        run("--mono", f"bo:train={texts['bo']}")


def test_a_failed_split_leaves_no_empty_folder(run, texts, tmp_path):
    blank = write_lines(tmp_path / "blank", ["", ""])
    with pytest.raises(InputError, match="no lines are left for bo train"):
        run("--mono", f"bo:train={blank}")
    assert not (tmp_path / "data-bin/bo").exists()
    run("--mono", f"bo:train={texts['bo']}")
    with pytest.raises(InputError, match="no lines are left for bo valid"):
        run("--mono", f"bo:valid={blank}")
    assert sorted(path.name for path in (tmp_path / "data-bin/bo").iterdir()) == ["train.bin", "train.idx"]


def test_next_line_characters_end_no_line(run, tmp_path, vocabulary_dir):
    """U+0085 is ordinary text: one sentence, no piece lost."""
    lines = ["ཡིག་ཆ་\x85ཉར་ཚགས།", "\x85", "ཀ\u2028ཁ"]
    data_bin = run("--mono", f"bo:train={write_lines(tmp_path / 'text', lines)}")
    expected = [[*ids.tolist(), 2] for ids in Vocabulary(vocabulary_dir).encode(lines)]
    assert read_ids(data_bin / "bo/train") == [ids for ids in expected if len(ids) > 1]
    split = Corpora.read(data_bin).corpora[0].splits["train"]
    assert split.lines == 3 == split.samples + sum(split.left_out.values())


def test_other_files_are_kept_whatever_their_names(run, texts, tmp_path):
    data_bin = tmp_path / "data-bin"
    others = [
        "x.partial",
        "pytorch_model.bin.partial",
        "work/bo/all.bo.partial",
        "own/.train.bin.0123456789abcdef.partial",
        ".own.0123456789abcdef.partial",
        "own/dict.txt",
    ]
    for name in others:
        (data_bin / name).parent.mkdir(parents=True, exist_ok=True)
        (data_bin / name).write_text("of another command")
    run("--mono", f"bo:train={texts['bo']}")
    names = ("bo/.valid.bin.0123456789abcdef.partial", ".train.zh-bo.zh.idx.0123456789abcdef.partial")
    left_over = [data_bin / name for name in names]
    for path in left_over:
        path.write_text("of a run that was killed")
    run("--mono", f"bo:train={texts['bo']}")
    assert all((data_bin / name).read_text() == "of another command" for name in others)
    assert not any(path.exists() for path in left_over)


def test_another_vocabulary_is_refused(run, texts, tmp_path):
    run("--mono", f"bo:train={texts['bo']}")
    other = tmp_path / "other"
    vocab.main(["--size", "80", "--output", str(other), "--input", str(texts["bo"])])
    with pytest.raises(InputError, match=r"made with another vocabulary \(checksum [0-9a-f]{12}\)"):
        binarize.main(f"--vocab {other} --output {tmp_path / 'data-bin'} --mono bo:valid={texts['bo']}".split())


@pytest.mark.parametrize("packing", [gzip.compress, lzma.compress, zstandard.compress])
def test_compressed_text(run, texts, tmp_path, packing):
    packed = tmp_path / "packed"
    packed.write_bytes(packing(texts["bo"].read_bytes()))
    data_bin = run("--mono", f"bo:train={texts['bo']}", f"bo:valid={packed}")
    assert (data_bin / "bo/train.bin").read_bytes() == (data_bin / "bo/valid.bin").read_bytes()
    packed.write_bytes(packing(texts["bo"].read_bytes())[:-9])
    with pytest.raises(InputError, match="damaged compressed file"):
        run("--mono", f"bo:valid={packed}")


def test_a_pipe_is_read(run, texts, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = multiprocessing.get_context("fork").Process(target=lambda: pipe.write_bytes(texts["bo"].read_bytes()))
    writer.start()
    data_bin = run("--mono", f"bo:train={pipe}")
    writer.join()
    assert len(read_ids(data_bin / "bo/train")) == 60


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ("--mono bo:train=/no/such/file", "/no/such/file: no such file"),
        ("--mono Tibetan:train=F", "'Tibetan' is not a language code"),
        ("--mono bo=F", "'bo' is not a split"),
        ("--mono bo:train", "expected LANG:SPLIT=FILE"),
        ("--pair bo-bo:train=F,F", "pairs within one language need a name"),
        ("--pair zh-bo:train=F", "expected SRC-TGT"),
        ("--pair zhbo:train=F,F", "is not two languages"),
        ("--pair zh-bo:../x:train=F,F", "is not a valid name"),
        ("--pair zh-bo:x:train=F,F zh-ug:x:train=F,F", "names two different corpora"),
        ("", "nothing to binarize"),
        ("--mono bo:train=F --encoding utf-16", "not a known encoding that contains ASCII"),
        ("--mono bo:train=F --workers 0", "^--workers 0: must be at least 1"),
    ],
)
def test_bad_command_lines(run, texts, args, message):
    with pytest.raises(InputError, match=message):
        run(*args.replace("=F,F", f"={texts['bo']},{texts['bo']}").replace("=F", f"={texts['bo']}").split())


def test_a_name_keeps_its_languages(run, texts):
    run("--pair", f"zh-bo:news:train={texts['zh']},{texts['bo']}")
    with pytest.raises(InputError, match="already has a corpus 'news' of pair zh-bo, not pair zh-ug"):
        run("--pair", f"zh-ug:news:train={texts['zh']},{texts['ug']}")


LINES = st.lists(
    st.one_of(st.binary(max_size=12), st.text(max_size=12).map(lambda text: text.encode("utf-8", "replace")))
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(source=LINES, target=LINES, last=st.sampled_from([b"", b"\n"]))
def test_any_bytes_are_counted_or_refused_in_one_line(vocabulary_dir, tmp_path, source, target, last):
    """Arbitrary bytes raise no exception but InputError, and every line is kept or counted."""
    files = []
    for name, lines in (("source", source), ("target", target)):
        files.append(tmp_path / name)
        files[-1].write_bytes(b"\n".join(lines) + last)
    output = tmp_path / "data-bin"
    try:
        binarize.main(
            f"--vocab {vocabulary_dir} --output {output} --skip-invalid --again --max-chars 10 "
            f"--pair zh-bo:train={files[0]},{files[1]}".split()
        )
    except InputError as error:
        assert "\n" not in str(error)
        return
    split = Corpora.read(output).corpora[0].splits["train"]
    expected = (b"\n".join(source) + last).removesuffix(b"\n").count(b"\n") + 1
    assert split.lines == expected == split.samples + sum(split.left_out.values())
    assert len(read_ids(output / "train.zh-bo.zh")) == len(read_ids(output / "train.zh-bo.bo")) == split.samples
