"""``python -m swcm_fairseq``."""

import subprocess
import sys


def test_prints_the_path_and_loads_nothing(repository):
    """Every recipe calls it several times."""
    command = [sys.executable, "-X", "importtime", "-m", "swcm_fairseq"]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout == f"{repository / 'swcm_fairseq'}\n"
    loaded = {line.split("|")[2].split(".")[0].strip() for line in done.stderr.splitlines() if line.count("|") == 2}
    assert "swcm_fairseq" in loaded
    assert not loaded & {"torch", "fairseq", "numpy", "omegaconf"}
