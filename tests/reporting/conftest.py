"""Artificial runs, and the report on them."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from swcm_fairseq.reporting.paper_report import main
from swcm_fairseq.scoring.evaluation import Evaluation, SystemScores, Value
from swcm_fairseq.scoring.score_report import as_json

SIGNATURE = "rougeL|lang:{}|tok:{}|v:1"


def evaluation(f1: float, lang: str = "bo", tok: str = "bo-syllable", segments: int = 50, **options) -> Evaluation:
    """Scores of one system: F1, and P and R derived from it."""
    interval = options.get("interval", 1.25)
    values = {f"rougeL {part}": Value(f1 + more, interval) for part, more in (("F1", 0), ("P", 1), ("R", -1))}
    return Evaluation(lang, segments, [SystemScores("ours", values)], {"rougeL": SIGNATURE.format(lang, tok)})


@pytest.fixture
def runs(tmp_path) -> Path:
    """A directory with spaces in its name."""
    (tmp_path / "my runs").mkdir()
    return tmp_path / "my runs"


@pytest.fixture
def scored(runs) -> Callable[..., Path]:
    """Write a scores file, such as ``scored("finetuning/summarization/no-mt", "bo", 20.0)``; return its path."""

    def write(run: str, scores: str, f1: float, **options) -> Path:
        path = runs / run / "scores" / f"{scores}.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(as_json(evaluation(f1, **options)), encoding="utf-8")
        return path

    return write


@pytest.fixture
def trained(runs) -> Callable[..., Path]:
    """Write a fairseq checkpoint and a log of every tenth update; return the directory of the run."""

    def write(run: str, updates: int, max_update: int = 0, epoch: int = 1, max_epoch: int = 0) -> Path:
        state = {
            "cfg": {"optimization": {"max_update": max_update, "max_epoch": max_epoch}},
            "optimizer_history": [{"num_updates": updates}],
            "extra_state": {"train_iterator": {"epoch": epoch}},
        }
        (runs / run).mkdir(parents=True, exist_ok=True)
        torch.save(state, runs / run / "checkpoint_last.pt")
        line = '2026-01-01 | INFO | train_inner | {{"epoch": 1, "num_updates": "{0}", "loss": "{1}"}}\n'
        lines = [line.format(update, 10 - update / 100) for update in range(10, updates + 1, 10)]
        (runs / run / "train.log").write_text("".join(lines), encoding="utf-8")
        return runs / run

    return write


@pytest.fixture
def report(runs, capsys) -> Callable[..., tuple[int, str, str]]:
    """Run the report; return its exit status, output and error lines."""

    def run(*options: str) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main(["--runs", str(runs), *options])
        printed = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, printed.out, printed.err

    return run
