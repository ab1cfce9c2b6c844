"""A full disk: every command says so in one line and leaves nothing half-written. /dev/full stands for the disk."""

import builtins

import pytest

from preprocess import binarize, clean, extract, outputs, vocab, vocab_prune
from swcm_fairseq.errors import InputError
from tests.preprocess.conftest import sentences, write_lines


class FullDisk:
    """Files are opened under their names, but what is written goes to /dev/full."""

    def __init__(self, monkeypatch):
        self._open = builtins.open
        monkeypatch.setattr(builtins, "open", self)
        monkeypatch.setattr(outputs.Path, "write_bytes", self._write_bytes)

    def __call__(self, file, mode="r", *args, **options):
        if "w" in mode and ".partial" in str(file):
            self._open(file, mode, *args, **options).close()  # the name is there
            return self._open("/dev/full", mode.replace("+", ""), *args, **options)
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
    commands = (
        (clean.main, f"--lang bo --input {text} --output {out}/clean --workers {workers}"),
        (extract.main, f"plain --input {text} --lang bo --output {out}/extract"),
        (vocab.main, f"--input {texts['bo']} --size 80 --output {out}/vocab"),
        (vocab_prune.main, f"--vocab {vocabulary_dir} --input {text} --output {out}/small"),
        (binarize.main, f"--vocab {vocabulary_dir} --output {out}/data-bin --mono bo:train={text} --workers {workers}"),
    )
    for main, arguments in commands:
        with pytest.raises(InputError, match="No space left on device"):
            main(arguments.split())
        assert not list(out.rglob("*.partial"))
    assert {path.name for path in out.rglob("*") if path.is_file()} <= {"dict.txt", "sentencepiece.bpe.model"}
