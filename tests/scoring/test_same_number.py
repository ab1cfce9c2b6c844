"""``fairseq-generate --scoring rouge_l`` and the scoring command give the same number for the same run."""

import json
import random
import re
import subprocess
import sys

import pytest

from swcm_fairseq.scoring import __main__ as scoring

SYLLABLES = ["བོད་", "ཡིག་", "གི་", "ཡི་"]


def fairseq(command, *argv):
    """Run one of fairseq's command lines; return its output."""
    code = f"from fairseq_cli.{command} import cli_main; cli_main()"
    done = subprocess.run([sys.executable, "-c", code, *map(str, argv)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def write_text(folder):
    """Write a few syllables in random order, so that even an untrained model matches some."""
    rng = random.Random(1)
    for split, lines in (("train", 40), ("test", 21)):
        for language in ("zh", "bo"):
            text = (" ".join(rng.choices(SYLLABLES, k=rng.randint(3, 9))) for _ in range(lines))
            (folder / f"{split}.{language}").write_text("".join(f"{line}\n" for line in text), encoding="utf-8")


@pytest.mark.e2e
def test_generate_and_command_agree(tmp_path, repository, capsys):
    write_text(tmp_path)
    data, run = tmp_path / "bin", tmp_path / "generate-test.txt"
    fairseq(
        "preprocess", "--source-lang", "zh", "--target-lang", "bo", "--trainpref", tmp_path / "train",
        "--validpref", tmp_path / "test", "--testpref", tmp_path / "test", "--destdir", data, "--joined-dictionary",
    )  # fmt: skip
    fairseq(
        "train", data, "--task", "translation", "--arch", "transformer_tiny", "--cpu", "--max-update", 2,
        "--batch-size", 20, "--optimizer", "adam", "--lr", 0.01, "--criterion", "cross_entropy",
        "--save-dir", tmp_path, "--no-epoch-checkpoints", "--user-dir", repository / "swcm_fairseq",
    )  # fmt: skip
    printed = fairseq(
        "generate", data, "--path", tmp_path / "checkpoint_last.pt", "--user-dir", repository / "swcm_fairseq",
        "--source-lang", "zh", "--target-lang", "bo", "--scoring", "rouge_l", "--cpu", "--beam", 2, "--nbest", 2,
        "--max-len-b", 8, "--results-path", tmp_path, "--required-batch-size-multiple", 1,
    )  # fmt: skip
    result = re.search(r"Generate test with beam=2: (.*)", printed + run.read_text("utf-8"))
    assert result is not None
    numbers = re.findall(r"(\d+\.\d+)", result.group(1).split(" lines")[0])
    assert "21 lines [rougeL|lang:bo|" in result.group(1)
    scoring.main(["--generated", str(run), "--lang", "bo", "--format", "json"])
    report = json.loads(capsys.readouterr().out)
    values = [report["systems"][0]["values"][f"rougeL {title}"] for title in ("F1", "P", "R")]
    assert [f"{number:.2f}" for value in values for number in (value["score"], value["interval"])] == numbers
    assert report["signatures"]["rougeL"] in result.group(1)
    assert values[0]["score"] > 0
    plain = {kind: tmp_path / kind for kind in ("ref", "hyp")}
    (plain["ref"]).write_text((tmp_path / "test.bo").read_text("utf-8"), encoding="utf-8")
    hypotheses = dict(re.findall(r"^D-(\d+)\t[^\t]*\t(.*)$", _first_of_each(run.read_text("utf-8")), re.MULTILINE))
    (plain["hyp"]).write_text("".join(hypotheses[str(n)] + "\n" for n in range(21)), encoding="utf-8")
    scoring.main(["--ref", str(plain["ref"]), "--hyp", str(plain["hyp"]), "--lang", "bo", "--format", "json"])
    again = json.loads(capsys.readouterr().out)["systems"][0]["values"]["rougeL F1"]
    assert again["score"] == pytest.approx(values[0]["score"])


def _first_of_each(text):
    """The first D- line of each segment (``--nbest`` writes two)."""
    seen, lines = set(), []
    for line in text.split("\n"):
        key = line.split("\t")[0]
        if line.startswith("D-") and key not in seen:
            seen.add(key)
            lines.append(line)
    return "\n".join(lines)
