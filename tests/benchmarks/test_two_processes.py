"""The benchmark of two processes: all four ways to share the work, on very little data."""

import two_processes


def test_the_report(run):
    size = "--arch xlm_swcm_tiny --encoder-layers 3 --vocabulary 100 --tokens 16 --max-tokens 64 --samples 40".split()
    content = run(two_processes, *size, "--rounds", 1, "--pairs", 2)
    names = [row[0] for row in content["rows"]]
    assert names[:4] == [two_processes.ONE, two_processes.APART, two_processes.SAME, two_processes.TWO]
    (ratio,) = content["ratios"]
    seconds = {name: turns[0]["seconds"] for name, turns in content["raw"].items()}
    assert ratio["median"] == seconds[two_processes.ONE] / seconds[two_processes.TWO]
