"""Every kind of broken input is handled as its row in dirty/manifest.json expects."""

from pathlib import Path

import pytest

from preprocess import binarize
from preprocess.steps.ledger import Reason
from swcm_fairseq.data.corpora import Corpora, Split
from swcm_fairseq.data.vocabulary import Vocabulary
from swcm_fairseq.errors import InputError
from tests.preprocess.conftest import read_ids, write_lines

DIRTY = Path(__file__).parent / "dirty"


@pytest.fixture
def mono(run, tmp_path):
    """Binarize one file as Tibetan text, whatever it contains; return the split and its sentences."""

    def mono_run(name: str | Path, *args: str) -> tuple[Split, list[list[int]]]:
        data_bin = run("--mono", f"bo:train={DIRTY / name}", *args)
        split = Corpora.read(data_bin).corpora[0].splits["train"]
        assert split.lines == split.samples + sum(split.left_out.values())
        return split, read_ids(data_bin / "bo/train")

    return mono_run


@pytest.fixture
def pair(run):
    def pair_run(source: str, target: str, *args: str) -> tuple[Split, list[list[int]], list[list[int]]]:
        data_bin = run("--pair", f"zh-bo:train={DIRTY / source},{DIRTY / target}", *args)
        split = Corpora.read(data_bin).corpora[0].splits["train"]
        assert split.lines == split.samples + sum(split.left_out.values())
        return split, read_ids(data_bin / "train.zh-bo.zh"), read_ids(data_bin / "train.zh-bo.bo")

    return pair_run


def encode(vocabulary_dir, lines):
    vocabulary = Vocabulary(vocabulary_dir)
    return [[*ids.tolist(), vocabulary.dictionary.eos()] for ids in vocabulary.encode(lines)]


def test_invalid_utf8_stops_at_the_line(mono, tmp_path):
    with pytest.raises(InputError, match=r"invalid_utf8.bo.txt:2: invalid UTF-8"):
        mono("invalid_utf8.bo.txt")
    assert not list((tmp_path / "data-bin").rglob("*.bin*"))


def test_invalid_utf8_can_be_left_out(mono, vocabulary_dir, tmp_path):
    rejects = tmp_path / "rejects"
    split, ids = mono("invalid_utf8.bo.txt", "--skip-invalid", "--rejects", str(rejects))
    assert (split.lines, split.left_out) == (11, {Reason.INVALID: 6})
    lines = (DIRTY / "invalid_utf8.bo.txt").read_bytes().split(b"\n")
    assert ids == encode(vocabulary_dir, [lines[i - 1].decode() for i in (1, 3, 5, 7, 11)])
    expected = [f"{DIRTY / 'invalid_utf8.bo.txt'}:{i}:invalid encoding" for i in (2, 4, 6, 8, 9, 10)]
    assert rejects.read_text().splitlines() == expected


def test_nul_bytes(mono):
    with pytest.raises(InputError, match=r"nul_bytes.zh.txt:2: NUL byte"):
        mono("nul_bytes.zh.txt")
    split, ids = mono("nul_bytes.zh.txt", "--skip-invalid")
    assert (split.lines, split.left_out, len(ids)) == (5, {Reason.NUL: 3}, 2)


def test_byte_order_mark_and_crlf(mono, vocabulary_dir):
    _, ids = mono("bom_crlf.ug.txt")
    text = (DIRTY / "bom_crlf.ug.txt").read_bytes().decode("utf-8-sig").replace("\r\n", "\n")
    assert ids == encode(vocabulary_dir, text.removesuffix("\n").split("\n"))
    assert len(ids) == 8


def test_only_lf_ends_a_line(mono):
    split, _ = mono("line_separators.zh.txt")
    assert (split.lines, split.samples) == (7, 7)


def test_pairs_with_a_blank_side_go_together(pair, vocabulary_dir):
    split, source, target = pair("blank_lines.zh-bo.zh", "blank_lines.zh-bo.bo")
    assert (split.lines, split.samples, split.left_out) == (12, 7, {Reason.BLANK: 5})
    keep = [i for i in range(12) if i + 1 not in (3, 6, 8, 10, 11)]
    for name, ids in (("zh", source), ("bo", target)):
        lines = (DIRTY / f"blank_lines.zh-bo.{name}").read_text(encoding="utf-8").split("\n")
        assert ids == encode(vocabulary_dir, [lines[i] for i in keep])


def test_a_line_over_the_maximum_is_left_out(mono, tmp_path):
    long_line = write_lines(tmp_path / "long_line.txt", ["short", "к" * 200_000, "short again"])
    split, ids = mono(long_line)
    assert (split.samples, split.left_out, len(ids)) == (2, {Reason.TOO_LONG: 1}, 2)
    split, _ = mono(long_line, "--max-chars", "200000")
    assert (split.samples, split.left_out) == (3, {})


def test_files_of_different_length_are_refused_with_both_counts(pair, tmp_path):
    with pytest.raises(InputError, match=r"mismatch.zh-mn.zh has 12, .*mismatch.zh-mn.mn has 11"):
        pair("mismatch.zh-mn.zh", "mismatch.zh-mn.mn")
    assert not list((tmp_path / "data-bin").rglob("*.bin*"))


def test_duplicates_are_accepted(mono):
    split, _ = mono("duplicates.kk.txt")
    assert (split.lines, split.samples) == (60, 60)


@pytest.mark.parametrize(
    "name", ["wrong_language.ug.txt", "zero_width_bidi.ug.txt", "nfc_nfd.mixed.txt", "markup.zh.txt"]
)
def test_text_is_unchanged(mono, vocabulary_dir, name):
    split, ids = mono(name)
    assert split.samples == split.lines
    assert ids == encode(vocabulary_dir, (DIRTY / name).read_text(encoding="utf-8").split("\n")[:-1])


def test_composed_and_decomposed_text_give_the_same_ids(mono):
    _, ids = mono("nfc_nfd.mixed.txt")
    assert ids[::2] == ids[1::2]


def test_special_tokens_in_the_text_stay_text(pair, vocabulary_dir):
    split, source, target = pair("special_tokens.zh-bo.zh", "special_tokens.zh-bo.bo")
    assert split.samples == 18
    vocabulary = Vocabulary(vocabulary_dir)
    specials = {vocabulary.dictionary.bos(), vocabulary.dictionary.pad(), vocabulary.dictionary.eos()}
    for ids in source + target:
        assert not specials.intersection(ids[:-1])
        assert ids[-1] == vocabulary.dictionary.eos()
        assert max(ids) < len(vocabulary.dictionary)  # <mask> and the language tokens come after the pieces


def test_empty_file(mono, tmp_path):
    with pytest.raises(InputError, match=r"empty.kk.txt: the file is empty"):
        mono("empty.kk.txt")
    assert not list((tmp_path / "data-bin").rglob("*.bin*"))


def test_empty_pair(pair):
    with pytest.raises(InputError, match=r"empty.zh-kk.zh: the file is empty"):
        pair("empty.zh-kk.zh", "empty.zh-kk.kk")


def test_gzip_is_recognized_by_its_content(mono):
    split, _ = mono("gzip_wrong_ext.zh.txt")
    assert (split.lines, split.samples) == (20, 20)


def test_cr_only_is_refused(mono):
    with pytest.raises(InputError, match=r"cr_only.mn.txt: lines end in CR instead of LF"):
        mono("cr_only.mn.txt")


def test_no_final_newline(pair):
    split, source, target = pair("no_final_newline.zh-mn.zh", "no_final_newline.zh-mn.mn")
    assert split.samples == len(source) == len(target) == 12


def test_gb18030(mono):
    with pytest.raises(InputError, match=r"gb18030.zh.txt:1: invalid UTF-8; .* --encoding gb18030"):
        mono("gb18030.zh.txt")
    split, _ = mono("gb18030.zh.txt", "--encoding", "gb18030")
    assert (split.lines, split.samples) == (15, 15)


def test_usage_errors_exit_with_status_two():
    with pytest.raises(SystemExit) as stop:
        binarize.main(["--no-such-option"])
    assert stop.value.code == 2
