"""Output paths: no existing file is lost, nothing is half-written, and two runs are never mixed."""

import os
import shutil
import subprocess
import sys

import pytest

from preprocess import clean, stats
from preprocess import run as run_manifest
from preprocess.sentences import main as sentences_main
from swcm_fairseq import output_files
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop import convert
from swcm_fairseq.output_files import LineFiles, check_outside, whole_directory, whole_file, write_whole
from swcm_fairseq.scoring import samples
from tests.preprocess.conftest import refused, sentences, write_lines


@pytest.fixture
def text(tmp_path):
    return write_lines(tmp_path / "text", sentences("bo", 5))


def everything(folder):
    return {str(path.relative_to(folder)): path.is_file() and path.read_bytes() for path in folder.rglob("*")}


def test_a_file_named_like_a_partial_output_is_kept(tmp_path):
    """An input, a directory or another output may be called NAME.partial."""
    text = write_lines(tmp_path / "out.partial", ["ཀ་ཁ", "", "ག་ང"])
    clean.main(f"--lang bo --input {text} --output {tmp_path}/out".split())
    assert text.read_text() == "ཀ་ཁ\n\nག་ང\n" and (tmp_path / "out").read_text() == "ཀ་ཁ\nག་ང\n"
    clean.main(f"--lang bo --input {text} --output {tmp_path}/o --rejects {tmp_path}/o.partial".split())
    assert (tmp_path / "o").read_text() == "ཀ་ཁ\nག་ང\n" and (tmp_path / "o.partial").read_text() == f"{text}:2:blank\n"


def test_an_encoder_named_like_a_partial_output_is_kept(repository, tmp_path, monkeypatch):
    encoder = tmp_path / "encoder.partial"
    shutil.copytree(repository / "tests/interop/fixtures/xlmr", encoder)
    before = everything(encoder)
    monkeypatch.setattr(sys, "argv", ["convert", str(encoder), "--output", str(tmp_path / "encoder")])
    convert.main()
    assert everything(encoder) == before and (tmp_path / "encoder/config.json").is_file()


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_followed(text, tmp_path, there):
    """The target is replaced when the new content is complete; the link remains a link."""
    target = tmp_path / "elsewhere/target"
    target.parent.mkdir()
    if there:
        target.write_text("before")
        target.chmod(0o640)
    (tmp_path / "link").symlink_to(target)
    with pytest.raises(InputError, match="no lines are left"):
        clean.main(f"--lang bo --input {write_lines(tmp_path / 'blank', [''])} --output {tmp_path}/link".split())
    assert (target.read_text() == "before") if there else not target.exists()
    clean.main(f"--lang bo --input {text} --output {tmp_path}/link".split())
    assert (tmp_path / "link").is_symlink() and target.read_text() == text.read_text()
    assert not there or target.stat().st_mode & 0o777 == 0o640


def test_invalid_output_paths_are_refused(text, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "null").symlink_to("/dev/null")
    before = everything(tmp_path)
    for output, message in (
        ("/dev/null", "is a device or a pipe"),
        ("/dev/full", "is a device or a pipe"),
        (tmp_path / "null", "is a device or a pipe"),
        (tmp_path / "pipe", "is a device or a pipe"),
        (tmp_path / "folder", "is a directory"),
        (tmp_path / "loop", "Too many levels of symbolic links"),
        (tmp_path / ("x" * 256), "File name too long"),
        (text / "x", "Not a directory"),
    ):
        for main, arguments in (
            (clean.main, f"--lang bo --input {text} --output {output}"),
            (clean.main, f"--lang bo --input {text} --output {tmp_path}/out --rejects {output}"),
            (sentences_main, f"--lang bo --input {text} --output {output}"),
            (samples.main, f"--hyp {text} --lang bo --output {output}"),
        ):
            with pytest.raises(InputError, match=message):
                main(arguments.split())
    assert everything(tmp_path) == before


def test_the_longest_name_is_written(text, tmp_path):
    output = tmp_path / ("་" * 85)  # 255 bytes
    clean.main(["--lang", "bo", "--input", str(text), "--output", str(output)])
    assert output.read_text() == text.read_text()


def test_inputs_are_never_written_to(text, vocabulary_dir, tmp_path, monkeypatch):
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "1.txt").write_text("标题\n正文。")
    (tmp_path / "link").symlink_to(folder)
    before = everything(folder), everything(vocabulary_dir)
    refused(
        "would ",
        f"""
        extract thucnews --input {folder} --lang zh --output {folder}/new
        extract thucnews --input {folder} --lang zh --output {tmp_path}/link/deep/new
        extract thucnews --input {folder} --lang zh --output {tmp_path}/o --rejects {folder}/rejects
        vocab_extend --vocab {vocabulary_dir} --input bo={text} --output {vocabulary_dir}/new
        mbart {folder} --vocab {vocabulary_dir} --output {vocabulary_dir}/dict.txt
        mbart {folder} --vocab {vocabulary_dir} --output {vocabulary_dir}/new.pt
        """,
    )
    monkeypatch.setattr(sys, "argv", ["convert", str(folder), "--output", str(folder / "new")])
    with pytest.raises(InputError, match="would be written into an input folder"):
        convert.main()
    assert (everything(folder), everything(vocabulary_dir)) == before


@pytest.mark.parametrize("key", ["work", "output"])
def test_a_manifest_whose_folder_contains_its_input(text, vocabulary_dir, tmp_path, key):
    folder = tmp_path / "folder/bo/train"
    folder.mkdir(parents=True)
    shutil.copy(text, folder / "all.bo")
    places = {"work": tmp_path / "work", "output": tmp_path / "bin", key: tmp_path / "folder"}
    manifest = tmp_path / "manifest.yaml"
    manifest.write_text(
        f"output: {places['output']}\nwork: {places['work']}\nvocabulary: {vocabulary_dir}\n"
        f"corpora: [{{name: bo, format: plain, lang: bo, input: {folder}/all.bo}}]\n"
    )
    with pytest.raises(InputError, match=f"all.bo: is inside the output folder {tmp_path}/folder"):
        run_manifest.main([str(manifest)])
    assert (folder / "all.bo").read_bytes() == text.read_bytes()
    with pytest.raises(InputError, match="is inside"):
        check_outside([folder], folder)


def test_pictures_replace_only_our_own_pictures(text, run, tmp_path):
    data_bin = run("--mono", f"bo:train={text}")
    notes, foreign = tmp_path / "notes.txt", tmp_path / "foreign.png"
    notes.write_text("mine")
    foreign.write_bytes(b"\x89PNG\r\n\x1a\nmine")
    for output, message in ((notes, "a name that ends in"), (foreign, "was not written by this program")):
        before = output.read_bytes()
        with pytest.raises(InputError, match=message):
            stats.main([str(data_bin), "--png", str(output)])
        assert output.read_bytes() == before
    for _ in range(2):
        stats.main([str(data_bin), "--png", str(tmp_path / "new.png")])
    assert (tmp_path / "new.png").read_bytes().startswith(b"\x89PNG")


def test_a_second_simultaneous_run_is_refused(text, tmp_path, monkeypatch):
    monkeypatch.setattr(output_files, "_LOCK_ATTEMPTS", 1)
    command = f"--lang bo --input {text} --output {tmp_path}/out"
    with LineFiles([tmp_path / "out"]) as first:
        first.write(("of the first",))
        for arguments in (command, f"--lang bo --input {text} --output {tmp_path}/other --rejects {tmp_path}/out"):
            with pytest.raises(InputError, match="out: another command is writing there; wait until it has ended"):
                clean.main(arguments.split())
        first.commit()
    assert (tmp_path / "out").read_text() == "of the first\n" and not (tmp_path / "other").exists()
    clean.main(command.split())
    assert (tmp_path / "out").read_text() == text.read_text()
    with whole_directory(tmp_path / "encoder", ("x",)) as place:
        (place / "x").write_text("")
        with pytest.raises(InputError, match="encoder: another command"), whole_directory(tmp_path / "encoder", ("x",)):
            pass


def test_only_files_of_a_killed_run_are_removed(tmp_path):
    for name in ("x", "y.x"):
        (tmp_path / f".{name}.0123456789abcdef.partial").write_text("half")
    for name in (".x.partial", ".x.0123456789abcdeg.partial", "x.0123456789abcdef.partial"):
        (tmp_path / name).write_text("of others")
    write_whole(tmp_path / "x", b"whole")
    assert {path.name for path in tmp_path.iterdir()} == {
        *("x", ".y.x.0123456789abcdef.partial"),
        *(".x.partial", ".x.0123456789abcdeg.partial", "x.0123456789abcdef.partial"),
    }


def test_a_file_that_is_not_completed_leaves_the_one_before(tmp_path):
    (tmp_path / "x").write_text("before")
    with pytest.raises(InputError, match="x: No space left on device; make room"), whole_file(tmp_path / "x") as place:
        place.write_text("half")
        raise OSError(28, os.strerror(28))
    with pytest.raises(KeyboardInterrupt), whole_file(tmp_path / "x") as place:
        place.write_text("half")
        raise KeyboardInterrupt
    assert everything(tmp_path) == {"x": b"before"}


def test_a_full_disk_behind_standard_output_is_one_line():
    code = "from swcm_fairseq.errors import run_command; run_command(lambda: print('x'))"
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", code], stdout=full, stderr=subprocess.PIPE, text=True)
    assert (done.returncode, done.stderr) == (1, "error: standard output: No space left on device\n")
