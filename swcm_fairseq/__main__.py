"""``python -m swcm_fairseq`` prints where the plugin lies, for ``--user-dir``."""

from pathlib import Path

if __name__ == "__main__":
    print(Path(__file__).resolve().parent)
