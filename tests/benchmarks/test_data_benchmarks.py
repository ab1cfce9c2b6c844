"""Benchmarks of binarization and noise against fairseq, at tiny size."""

import binarize_throughput
import noise_throughput
import padding
from binarize_throughput import OURS, STOCK


def test_binarize(run):
    report = run(binarize_throughput, "--lines", 300, "--rounds", 1, "--only-ours")
    (row,) = report["rows"]
    assert row[:2] == ["300", OURS] and float(report["raw"]["300"][OURS][0][0]) > 0


def test_binarize_and_the_stock_chain():
    options = binarize_throughput.build_parser().parse_args([])
    turns = {
        OURS: [(2.0, 100.0), (4.0, 110.0)],
        STOCK: [(8.0, 300.0), (8.0, 200.0)],
    }
    report = binarize_throughput.make_report(options, {5000: (turns, "same")})
    assert report.rows == [
        ["5,000", OURS, "3.0 (2.0-4.0)", "110", "same"],
        ["5,000", STOCK, "8.0 (8.0-8.0)", "300", "same"],
    ]
    assert report.ratios[0].values == [4.0, 2.0]


def test_noise(run):
    size = ["--samples", 40, "--batch-size", 8, "--tokens-per-sample", 24, "--vocabulary", 100, "--rounds", 1]
    report = run(noise_throughput, *size)
    assert [row[0] for row in report["rows"]] == [noise_throughput.OURS, noise_throughput.FAIRSEQ]
    (ratio,) = report["ratios"]
    ours, theirs = (report["raw"][row[0]][0] for row in report["rows"])
    assert ours["batches"] == theirs["batches"] == 5
    assert ratio["values"] == [ours["tokens"] / ours["seconds"] / (theirs["tokens"] / theirs["seconds"])]


def test_padding(run):
    report = run(padding, "--samples", 400, "--batch-size", 16)
    assert [row[0] for row in report["rows"]] == list(padding.ORDERS)
    shares, lost = report["raw"]["shares"], report["raw"]["work"]
    assert shares["ours"][0] < shares["by target"][0] and lost["ours"] < lost["by target"]
