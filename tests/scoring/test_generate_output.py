"""Reading outputs of fairseq-generate and plain files as aligned texts."""

import bz2
from argparse import Namespace

import pytest

from swcm_fairseq.errors import InputError
from swcm_fairseq.scoring.generate_output import Segment, missing_ids, read_generation
from swcm_fairseq.scoring.inputs import read_inputs
from swcm_fairseq.scoring.segment_files import read_lines, read_texts

RUN = """2026-11-21 | INFO | fairseq_cli.generate | loading model(s) from checkpoint.pt
S-2\tsource two
T-2\treference two
H-2\t-0.5\t▁hypo two
D-2\t-0.5\thypothesis two
P-2\t-0.5 -0.5
D-2\t-0.9\tsecond best
S-0\tsource zero
T-0\treference\u2028zero
H-0\t-1.25\t
D-0\t-1.25\t
P-0\t-1.25
Generate test with beam=5: rougeL F1 = 0.00
"""


def write(tmp_path, name, text):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def arguments(ref=(), hyp=None, generated=None):
    return Namespace(ref=list(ref), hyp=hyp, generated=generated)


def test_segments_are_restored_to_input_order(tmp_path):
    segments = read_generation(write(tmp_path, "run.txt", RUN))
    assert segments == [
        Segment(0, "source zero", "reference\u2028zero", "", -1.25),
        Segment(2, "source two", "reference two", "hypothesis two", -0.5),
    ]
    assert missing_ids(segments) == [1]


@pytest.mark.parametrize(
    "text,message",
    [
        ("T-0\ta\n", r"no hypotheses \(D- lines\).*without --quiet"),
        ("plain text\n", "give plain text files with --hyp"),
        ("S-0\ta\nD-0\t-1\tb\nS-1\tc\n", "segment 1 has no hypothesis .*interrupted"),
        ("S-0\ta\nD-0\t-1\tb\nS-0\ta\n", "run.txt:3: second line S-0"),
        ("S-0\ta\nD-0\tword\n", "run.txt:2: D- line without a score"),
    ],
)
def test_incomplete_runs_are_refused(tmp_path, text, message):
    with pytest.raises(InputError, match=message):
        read_generation(write(tmp_path, "run.txt", text))


def test_generation_with_its_own_references_and_with_a_file(tmp_path, capsys):
    run = write(tmp_path, "run.txt", RUN)
    inputs = read_inputs(arguments(generated=[run]))
    assert inputs.ids == [0, 2]
    assert inputs.references == [["reference\u2028zero", "reference two"]]
    assert inputs.sources == ["source zero", "source two"]
    assert inputs.systems[0].hypotheses == ["", "hypothesis two"]
    assert inputs.model_scores == [[-1.25, -0.5]]
    assert "1 of 3 segments are missing (the first is 1)" in capsys.readouterr().err
    raw = write(tmp_path, "test.ref", "r0\nr1\nr2\n")
    assert read_inputs(arguments([raw], generated=[run])).references == [["r0", "r2"]]
    assert read_inputs(arguments([raw], generated=[run]), source=raw).sources == ["r0", "r2"]


def test_runs_that_do_not_belong_together_are_refused(tmp_path):
    run = write(tmp_path, "run.txt", RUN)
    fewer = write(tmp_path, "fewer.txt", "S-0\ta\nT-0\tb\nD-0\t-1\tc\n")
    other = write(tmp_path, "other.txt", RUN.replace("reference two", "another"))
    short = write(tmp_path, "short.ref", "r0\nr1\n")
    none = write(tmp_path, "none.txt", "S-0\ta\nD-0\t-1\tc\n")
    with pytest.raises(InputError, match=r"fewer.txt and .*run.txt contain different segments \(1 and 2\)"):
        read_inputs(arguments(generated=[run, fewer]))
    with pytest.raises(InputError, match=r"the reference of segment 2 differs from"):
        read_inputs(arguments(generated=[run, other]))
    with pytest.raises(InputError, match=r"short.ref has only 2 lines, but the output of .* has a segment 2"):
        read_inputs(arguments([short], generated=[run]))
    with pytest.raises(InputError, match=r"segment 0 has no reference \(T- line\); give the references with --ref"):
        read_inputs(arguments(generated=[none]))


def test_plain_files(tmp_path):
    one, two = write(tmp_path, "a.bo", "\ufeffཀ\r\n\r\nཁ\u2028\r\n"), write(tmp_path, "b.bo", "x\n\nz")
    assert read_lines(one) == ["ཀ", "", "ཁ\u2028"]
    inputs = read_inputs(arguments([one], [two]))
    assert inputs.references == [["ཀ", "", "ཁ\u2028"]]
    assert inputs.systems[0].hypotheses == ["x", "", "z"]
    assert inputs.sources is None


def test_equal_file_names_are_distinguished(tmp_path):
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    paths = [write(tmp_path / name, "out.bo", "ཀ\n") for name in ("one", "two")]
    names = [system.name for system in read_inputs(arguments(paths[:1], paths)).systems]
    assert names == [str(path) for path in paths]


def test_bad_files_are_refused_in_one_line(tmp_path):
    three, two = write(tmp_path, "three", "a\nb\nc\n"), write(tmp_path, "two", "a\nb\n")
    with pytest.raises(InputError, match=r"two has 2 lines but .*three has 3"):
        read_inputs(arguments([three], [two]))
    with pytest.raises(InputError, match="empty: the file is empty"):
        read_lines(write(tmp_path, "empty", ""))
    with pytest.raises(InputError, match="blank: all lines are blank"):
        read_texts(write(tmp_path, "blank", "\n \n"))
    with pytest.raises(InputError, match=r"latin:2: not UTF-8; convert it"):
        read_lines(write(tmp_path, "latin", b"a\n\xe4\n"))
    damaged = bz2.compress(b"a\n")[:10] + bytes(30)
    with pytest.raises(InputError, match=r"damaged: damaged compressed file: Invalid data stream"):
        read_lines(write(tmp_path, "damaged", damaged))
    with pytest.raises(InputError, match="none: cannot be read"):
        read_lines(tmp_path / "none")
    with pytest.raises(InputError, match="cannot be read"):
        read_lines(tmp_path)
