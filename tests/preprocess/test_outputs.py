"""A full disk, simulated by /dev/full: every command reports it in one line and leaves nothing half-written."""

import builtins
from pathlib import Path

import pytest

from preprocess import clean
from preprocess.steps.ledger import Reject, RejectsFile
from swcm_fairseq.errors import InputError
from swcm_fairseq.output_files import LineFiles
from tests.preprocess.conftest import refused, sentences, write_lines


class FullDisk:
    """Files are opened under their names, but all writes go to /dev/full."""

    def __init__(self, monkeypatch):
        self._open = builtins.open
        monkeypatch.setattr(builtins, "open", self)
        monkeypatch.setattr(Path, "write_bytes", self._write_bytes)

    def __call__(self, file, mode="r", *args, **options):
        if set(mode) & {"w", "x"} and ".partial" in str(file):
            self._open(file, mode, *args, **options).close()  # creates the name
            return self._open("/dev/full", mode.replace("+", "").replace("x", "w"), *args, **options)
        return self._open(file, mode, *args, **options)

    def _write_bytes(self, content):
        with self._open("/dev/full", "wb") as file:
            return file.write(content)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_full_disk(texts, vocabulary_dir, tmp_path, monkeypatch, workers):
    text = write_lines(tmp_path / "long", sentences("bo", 3000))
    out = tmp_path / "out"
    out.mkdir()
    FullDisk(monkeypatch)
    refused(
        "No space left on device",
        f"""
        clean --lang bo --input {text} --output {out}/clean --workers {workers}
        extract plain --input {text} --lang bo --output {out}/extract
        vocab --input {texts["bo"]} --size 80 --output {out}/vocab
        sentences --lang bo --input {text} --output {out}/parts --workers {workers}
        vocab_extend --vocab {vocabulary_dir} --input ug={texts["ug"]} --size 60 --output {out}/large
        vocab_prune --vocab {vocabulary_dir} --input {text} --output {out}/small
        binarize --vocab {vocabulary_dir} --output {out}/data-bin --mono bo:train={text} --workers {workers}
        """,
    )
    assert not list(out.rglob("*.partial"))
    assert {path.name for path in out.rglob("*") if path.is_file()} <= {"dict.txt", "sentencepiece.bpe.model"}


def test_no_input_is_overwritten(texts, vocabulary_dir, tmp_path):
    text = write_lines(tmp_path / "a.bo", sentences("bo", 30))
    (tmp_path / "link").symlink_to(text)
    (tmp_path / "hard").hardlink_to(text)
    dictionary = (vocabulary_dir / "dict.txt").read_bytes()
    before = text.read_bytes()
    binarized = f"--vocab {vocabulary_dir} --output {tmp_path}/data-bin --mono bo:train={text} --rejects"
    refused(
        "would ",
        f"""
        binarize {binarized} {text}
        binarize {binarized} {tmp_path}/link
        binarize {binarized} {vocabulary_dir}/dict.txt
        binarize {binarized} {tmp_path}/data-bin/corpora.json
        clean --lang bo --input {text} --output {tmp_path}/same --rejects {tmp_path}/same
        clean --lang bo --input {text} --output {tmp_path}/hard
        clean --lang bo --input {text} --output {tmp_path}/out --rejects {text}
        clean --lang zh-bo --input {texts["zh"]} {text} --output {tmp_path}/same {tmp_path}/same
        sentences --lang bo --input {text} --output {tmp_path}/out --rejects {tmp_path}/link
        extract plain --input {text} --lang bo --output {tmp_path}/a
        extract plain --input {text} --lang bo --output {tmp_path}/out --rejects {text}
        vocab_prune --vocab {vocabulary_dir} --input {text} --output {vocabulary_dir}
        """,
    )
    assert text.read_bytes() == before
    assert (vocabulary_dir / "dict.txt").read_bytes() == dictionary
    assert not (tmp_path / "same").exists() and not list(tmp_path.rglob("*.partial"))


def test_rejects_appear_when_complete(tmp_path):
    text = write_lines(tmp_path / "bo", [*sentences("bo", 3), ""])
    rejects = write_lines(tmp_path / "rejects", ["of an earlier run"])
    with LineFiles([tmp_path / "out"]) as output, RejectsFile(rejects) as file:
        file.write([Reject("bo", 4, "blank")])
        output.write(("x",))
    assert rejects.read_text() == "of an earlier run\n" and not list(tmp_path.glob("*.partial"))
    clean.main(f"--lang bo --input {text} --output {tmp_path}/out --rejects {rejects}".split())
    assert rejects.read_text() == f"{text}:4:blank\n"


def test_both_sides_of_a_pair_or_none(tmp_path):
    paths = [tmp_path / "x.zh", tmp_path / "x.bo"]
    with pytest.raises(InputError, match=r"x\.bo"), LineFiles(paths) as output:
        output.write(("a", "b"))
        paths[1].mkdir()
        output.commit()
    assert [path.name for path in tmp_path.iterdir()] == ["x.bo"]
