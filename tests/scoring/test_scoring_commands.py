"""The two commands: reports, samples, and refused inputs."""

import gzip
import json
import lzma
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard
from lxml import html
from sacrebleu.metrics import CHRF

from swcm_fairseq.data.languages import LANGUAGES
from swcm_fairseq.errors import InputError
from swcm_fairseq.scoring import __main__ as scoring
from swcm_fairseq.scoring import evaluation, language_id, samples
from swcm_fairseq.scoring.page import Output, Sample, html_page, text_block
from swcm_fairseq.scoring.segment_files import read_lines, write_output

REFERENCES = "བོད་ཡིག་གི་ཡི་གེ།\nདཔེ་ཆ་གསུམ།\nཁང་པ་ཆེན་པོ།\n"
BETTER = "བོད་ཡིག་གི་ཡི་གེ།\nདཔེ་ཆ་བཞི།\nཁང་པ།\n"
WORSE = "藏文\n\nཁང་པ\n"


@pytest.fixture
def files(tmp_path):
    paths = {}
    for name, text in {"ref.bo": REFERENCES, "better.bo": BETTER, "worse.bo": WORSE, "short.bo": "ཀ\n"}.items():
        paths[name] = str(tmp_path / name)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return paths


def report(capsys, *argv):
    scoring.main(list(argv))
    return capsys.readouterr().out


def test_json(files, capsys):
    argv = ("--ref", files["ref.bo"], "--hyp", files["better.bo"], files["worse.bo"], "--lang", "bo")
    result = json.loads(report(capsys, *argv, "--bootstrap", "50", "--trials", "50", "--format", "json"))
    assert (result["language"], result["segments"]) == ("bo", 3)
    better, worse = result["systems"]
    assert [better["name"], worse["name"]] == ["better.bo", "worse.bo"]
    assert better["values"]["rougeL F1"]["score"] == pytest.approx(100 * (1 + 2 / 3 + 2 / 3) / 3)
    assert better["values"]["rougeL P"]["score"] == pytest.approx(100 * (1 + 2 / 3 + 1) / 3)
    assert better["values"]["rougeL F1"]["interval"] > 0
    assert better["values"]["rougeL F1"]["p_value"] is None
    assert 0 < worse["values"]["rougeL F1"]["p_value"] <= 1
    assert worse["empty"] == 1
    assert worse["values"]["script"]["score"] == pytest.approx(100 / 3)
    assert worse["scripts"] == {"Han": 1, "none": 1, "Tibetan": 1}
    assert {"rougeL F1", "rouge1 F1", "rouge2 F1", "BLEU", "chrF2++"} <= set(better["values"])
    assert result["signatures"]["rougeL"].startswith(
        "rougeL|lang:bo|tok:bo-syllable|case:lc|norm:nfkc|agg:mean|ar:50|bs:50|"
    )
    assert "tok:char" in result["signatures"]["BLEU"]


def test_text_and_markdown(files, capsys):
    argv = ["--ref", files["ref.bo"], "--hyp", files["better.bo"], files["worse.bo"], "--lang", "bo", "--trials", "9"]
    text = report(capsys, *argv)
    lines = text.splitlines()
    assert lines[2].split() == ["score", "better.bo", "worse.bo"]
    assert lines[4].split()[:4] == ["rougeL", "F1", "77.78", "±"]
    assert "(p = " in lines[4]
    assert "worse.bo is written in: " in text
    markdown = report(capsys, *argv, "--format", "markdown", "--bootstrap", "0")
    assert markdown.splitlines()[:2] == ["| score | better.bo | worse.bo |", "| :--- | ---: | ---: |"]
    assert "| rougeL F1 | 77.78 | " in markdown
    assert "| empty lines | 0 | 1 |" in markdown
    assert "- `rougeL|lang:bo|" in markdown


def test_lower_cased_scores_are_those_of_sacrebleu(tmp_path, capsys):
    files = {"ref": "Бір Екі үш төрт бес\n", "hyp": "бір екі Үш төрт алты\n"}
    for name, text in files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    argv = ["--ref", str(tmp_path / "ref"), "--hyp", str(tmp_path / "hyp"), "--lang", "kk", "--bootstrap", "0"]
    for flags, lowercase, case in (([], False, "case:mixed"), (["--lowercase"], True, "case:lc")):
        result = json.loads(report(capsys, *argv, *flags, "--format", "json"))
        expected = CHRF(word_order=2, lowercase=lowercase).corpus_score([files["hyp"]], [[files["ref"]]]).score
        assert result["systems"][0]["values"]["chrF2++"]["score"] == pytest.approx(expected)
        assert all(case in result["signatures"][name] for name in ("chrF2++", "BLEU"))


@pytest.mark.parametrize("language,tokenizer", sorted((row.code, row.bleu) for row in LANGUAGES.values()))
def test_identical_outputs_score_100_everywhere(tmp_path, capsys, language, tokenizer):
    texts = {"bo": "བོད་ཡིག་གི་ཡི་གེ", "en": "one two three four five", "kk": "бір екі үш төрт бес"}
    texts |= {"mn": "нэг хоёр гурав дөрөв тав", "ug": "بىر ئىككى ئۈچ تۆت بەش", "zh": "今天天气很好"}
    path = tmp_path / "text"
    path.write_text((texts[language] + "\n") * 2, encoding="utf-8")
    argv = ("--ref", str(path), "--hyp", str(path), "--lang", language, "--bootstrap", "0", "--format", "json")
    result = json.loads(report(capsys, *argv))
    values = result["systems"][0]["values"]
    assert f"tok:{tokenizer}" in result["signatures"]["BLEU"]
    for title in ("rougeL F1", "rouge1 F1", "rouge2 F1", "BLEU", "chrF2++", "script"):
        assert values[title]["score"] == pytest.approx(100), title


def test_a_missing_identifier_is_reported(files, capsys, monkeypatch):
    monkeypatch.setattr(language_id, "has_identifier", lambda: False)
    monkeypatch.setattr(evaluation, "has_identifier", lambda: False)
    text = report(capsys, "--ref", files["ref.bo"], "--hyp", files["better.bo"], "--lang", "bo")
    assert "note: no language accuracy: pycld2 is not installed (pip install pycld2)" in text
    assert "better.bo is written in: Tibetan 3" in text


def test_references_without_letters_are_reported(tmp_path, capsys):
    path = tmp_path / "text"
    path.write_text("༄༅།\n!!!\nབོད\n", encoding="utf-8")
    assert "note: 2 references have no letters or digits" in report(
        capsys, "--ref", str(path), "--hyp", str(path), "--lang", "bo"
    )


@pytest.mark.parametrize(
    "argv,message",
    [
        (["--ref", "ref.bo", "--hyp", "short.bo", "--lang", "bo"], "short.bo has 1 lines but .*ref.bo has 3"),
        (["--ref", "ref.bo", "--hyp", "better.bo", "--lang", "xx"], "no tokenizer is known for the language 'xx'"),
        (["--hyp", "better.bo", "--lang", "bo"], "--hyp needs references: add --ref FILE"),
        (["--generated", "better.bo", "--lang", "bo"], "no hypotheses"),
    ],
)
def test_bad_input_is_one_line(files, argv, message):
    with pytest.raises(InputError, match=message) as error:
        scoring.main([files.get(arg, arg) for arg in argv])
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("pack", [gzip.compress, lzma.compress, zstandard.compress])
def test_compressed_files_score_the_same(files, tmp_path, capsys, pack):
    packed = []
    for name in ("ref.bo", "ref.bo"):
        packed.append(tmp_path / f"{len(packed)}.packed")
        packed[-1].write_bytes(pack(Path(files[name]).read_bytes()))
    reports = []
    for ref, hyp in ((files["ref.bo"], files["ref.bo"]), packed):
        scoring.main(["--ref", str(ref), "--hyp", str(hyp), "--lang", "bo", "--bootstrap", "0", "--format", "json"])
        reports.append(json.loads(capsys.readouterr().out)["systems"][0]["values"])
    assert reports[0] == reports[1]
    packed[0].write_bytes(packed[0].read_bytes()[:-5])
    with pytest.raises(InputError, match="damaged compressed file"):
        scoring.main(["--ref", str(packed[0]), "--hyp", str(packed[1]), "--lang", "bo"])


def test_as_a_command(files, tmp_path):
    """Exit status and output streams, in a separate process."""
    output = tmp_path / "report.md"
    argv = ["--ref", files["ref.bo"], "--lang", "bo", "--bootstrap", "0", "--output", str(output)]
    command = [sys.executable, "-m", "swcm_fairseq.scoring", *argv, "--hyp"]
    done = subprocess.run([*command, files["short.bo"]], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    assert not output.exists()


def show(capsys, *argv):
    samples.main(list(argv))
    return capsys.readouterr().out


def test_samples_as_text_keep_the_lines_of_the_input(tmp_path, capsys):
    run = tmp_path / "run.txt"
    run.write_text("S-2\ts2\nT-2\tt2\nD-2\t-0.5\tཁ\nS-0\ts0\nT-0\tt0\nD-0\t-1\tཀ\n", encoding="utf-8")
    assert show(capsys, "--generated", str(run), "--lang", "bo") == "ཀ\n\nཁ\n"


def test_samples_as_jsonl(files, capsys):
    argv = ("--src", files["worse.bo"], "--ref", files["ref.bo"], "--hyp", files["better.bo"], files["worse.bo"])
    rows = [json.loads(line) for line in show(capsys, *argv, "--lang", "bo", "--format", "jsonl").splitlines()]
    assert len(rows) == 6
    assert rows[0] == {
        "id": 0,
        "source": "藏文",
        "reference": "བོད་ཡིག་གི་ཡི་གེ།",
        "system": "better.bo",
        "hypothesis": "བོད་ཡིག་གི་ཡི་གེ།",
        "score": None,
        "rougeL": 100.0,
    }
    few = show(capsys, *argv, "--lang", "bo", "--format", "jsonl", "--limit", "2").splitlines()
    assert [json.loads(line)["id"] for line in few] == [0, 0, 1, 1]


def test_samples_refuse_to_lose_text(files):
    argv = ["--hyp", files["better.bo"], files["worse.bo"], "--lang", "bo"]
    with pytest.raises(InputError, match="plain text can contain only one system"):
        samples.main(argv)
    with pytest.raises(InputError, match="--limit would break the alignment"):
        samples.main([*argv, "--limit", "2"])
    with pytest.raises(InputError, match="at least 1"):
        samples.main([*argv, "--limit", "0", "--format", "html"])


HOSTILE = "<script>alert('1')</script> & \x00\x1b[31m \u202eabc"


def test_page_escapes_everything():
    outputs = [Output("<b>system</b>", HOSTILE, -1.0, 50.0)]
    page = html_page([Sample(0, HOSTILE, [HOSTILE], outputs)], "<title>")
    assert "<script" not in page
    assert "<b>system" not in page
    assert not {"\x00", "\x1b"} & set(page)
    tree = html.fromstring(page)
    assert [node.text_content() for node in tree.xpath("//div[starts-with(@class, 'text')]")] == [
        "<script>alert('1')</script> & \ufffd\ufffd[31m \u202eabc"
    ] * 3
    assert tree.xpath("//th[4]/text()") == ["<b>system</b>"]
    assert not tree.xpath("//script | //link | //img | //iframe")


def test_page_writes_each_script_in_its_direction():
    assert 'class="text arabic" dir="rtl"' in text_block("ئۇيغۇر تىلى LibreOffice")
    assert 'class="text mongolian" dir="ltr"' in text_block("ᠮᠣᠩᠭᠣᠯ")
    assert 'class="text tibetan" dir="ltr"' in text_block("བོད་ཡིག")
    assert 'class="text" dir="ltr"' in text_block("Монгол")
    assert "(empty)" in text_block("  ")
    page = html_page([Sample(7, None, [], [Output("a", "ᠮᠣᠩᠭᠣᠯ")])], "Mongolian")
    assert "writing-mode: vertical-lr" in page
    assert "<th>source</th>" not in page
    assert html.fromstring(page).xpath("//tbody/tr/th/text()") == ["7"]


def test_an_input_is_refused_as_output(files, tmp_path):
    hypotheses = files["better.bo"]
    (tmp_path / "link").symlink_to(hypotheses)
    for command, options in ((scoring, ["--ref", files["ref.bo"]]), (samples, [])):
        for output in (hypotheses, str(tmp_path / "link")):
            with pytest.raises(InputError, match="would overwrite its own input"):
                command.main(["--hyp", hypotheses, *options, "--lang", "bo", "--output", output])
    assert (tmp_path / "better.bo").read_text(encoding="utf-8") == BETTER


def test_a_full_disk_leaves_the_report_that_was_there(tmp_path):
    report = tmp_path / "report"
    report.write_text("the one before")
    with pytest.raises(InputError, match=r"report: No space left on device; make room"):
        write_output(lambda: Path("/dev/full").write_text("the new one"), report)
    assert [path.name for path in tmp_path.iterdir()] == ["report"] and report.read_text() == "the one before"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (".", "is a directory; name a file"),
        ("better.bo/report", "Not a directory"),
        ("x" * 300, "File name too long"),
    ],
)
def test_unwritable_outputs_are_reported_before_anything_is_read(files, tmp_path, output, message):
    argv = ["--hyp", str(tmp_path / "missing"), "--ref", files["ref.bo"], "--lang", "bo"]
    with pytest.raises(InputError, match=message):
        scoring.main([*argv, "--output", str(tmp_path / output)])
    assert not list(tmp_path.glob("*.partial"))


def test_names_that_are_not_utf8_are_written_escaped(files, tmp_path, capsys):
    hypotheses = tmp_path / "better\udcff.bo"
    hypotheses.write_text(BETTER, encoding="utf-8")
    argv = ("--ref", files["ref.bo"], "--hyp", str(hypotheses), "--lang", "bo", "--bootstrap", "0")
    assert report(capsys, *argv, "--output", str(tmp_path / "report")) == ""
    assert "better\\udcff.bo" in (tmp_path / "report").read_text(encoding="utf-8")


def test_a_link_remains_a_link(tmp_path):
    report, link = tmp_path / "report", tmp_path / "link"
    link.symlink_to(report)
    write_output(lambda: "text", link)
    assert link.is_symlink() and report.read_text() == "text"


def test_a_system_that_wrote_nothing_scores_0(files, tmp_path, capsys):
    (tmp_path / "nothing").write_text("\n\n\n")
    argv = ("--lang", "bo", "--bootstrap", "0", "--format", "json")
    result = json.loads(report(capsys, "--ref", files["ref.bo"], "--hyp", str(tmp_path / "nothing"), *argv))
    (system,) = result["systems"]
    assert system["empty"] == 3 and system["values"]["rougeL F1"]["score"] == 0
    with pytest.raises(InputError, match="nothing: all lines are blank"):
        report(capsys, "--ref", str(tmp_path / "nothing"), "--hyp", files["ref.bo"], *argv)


def test_lines_that_end_in_cr_alone_are_refused(tmp_path):
    path = tmp_path / "mac.bo"
    path.write_bytes("ཀ\rཁ\r".encode())
    with pytest.raises(InputError, match="lines end in CR instead of LF; convert the file"):
        read_lines(path)
    path.write_bytes("ཀ\r\nཁ".encode())
    assert read_lines(path) == ["ཀ", "ཁ"]
