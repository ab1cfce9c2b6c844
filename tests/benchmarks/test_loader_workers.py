"""Data loading without a model, with and without worker processes."""

import loader_workers
import pytest


def test_report(run):
    size = ["--batches", 3, "--warm-up", 1, "--batch-size", 4, "--tokens", 16, "--vocabulary", 100, "--rounds", 1]
    report = run(loader_workers, *size, "--workers", 0, 1, "--rate", 1)
    assert [row[0] for row in report["rows"]] == ["0", "1"]
    assert report["raw"]["needed"] == 0 and report["raw"]["measured"]
    assert all(speed > 0 for speeds in report["raw"]["tokens_per_second"].values() for speed in speeds)


@pytest.mark.parametrize(
    ("rate", "expected"), [(50, (0, True)), (150, (2, True)), (190, (2, True)), (400, (4, False)), (401, (5, False))]
)
def test_workers_needed(rate, expected):
    assert loader_workers.workers_needed({0: 100.0, 1: 90.0, 2: 190.0}, rate) == expected
