"""The commands of docs/evaluation.md run as they are written there."""

import re
import shlex

import pytest

from swcm_fairseq.scoring import __main__ as scoring
from swcm_fairseq.scoring import samples

MAINS = {"swcm_fairseq.scoring": scoring.main, "swcm_fairseq.scoring.samples": samples.main}


def commands(repository):
    text = (repository / "docs/evaluation.md").read_text("utf-8")
    blocks = re.findall(r"^```bash\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The files that the page speaks of."""
    references, sources = ["བོད་ཡིག", "དཔེ་ཆ", "ཁང་པ"], ["藏文", "书", "房子"]
    hypotheses = {"ours.bo": references, "llm.bo": ["བོད", "书", ""]}
    for name, lines in {"test.bo": references, "test.zh": sources, **hypotheses}.items():
        (tmp_path / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    (tmp_path / "results").mkdir()
    rows = enumerate(zip(sources, references, strict=True))
    run = "".join(f"S-{n}\t{source}\nT-{n}\t{reference}\nD-{n}\t-1\t{reference}\n" for n, (source, reference) in rows)
    (tmp_path / "results/generate-test.txt").write_text(run, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_commands(repository, folder, capsys):
    found = commands(repository)
    assert len(found) == 8
    for command in found:
        python, flag, module, *argv = shlex.split(command)
        assert (python, flag) == ("python", "-m")
        MAINS[module](argv)
        if "--output" in argv:
            assert (folder / argv[argv.index("--output") + 1]).stat().st_size
        else:
            assert "rougeL F1" in capsys.readouterr().out
