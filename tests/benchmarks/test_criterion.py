"""The benchmark of the criterion at tiny size."""

import criterion


def test_report(run):
    size = ["--arch", "xlm_swcm_tiny", "--encoder-layers", 3, "--vocabulary", 200, "--sentences", 2, "--tokens", 8]
    report = run(criterion, *size, "--rounds", 1, "--dropout", 0)
    assert [row[0] for row in report["rows"]] == list(criterion.VARIANTS)
    losses = {name: turns[0]["loss"] for name, turns in report["raw"].items()}
    assert abs(losses[criterion.OURS] - losses[criterion.STOCK]) < 1e-4
    assert len(report["ratios"]) == 4 and all(ratio["median"] > 0 for ratio in report["ratios"])
