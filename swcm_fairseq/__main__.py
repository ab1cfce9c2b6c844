"""``python -m swcm_fairseq`` and ``swcm user-dir`` print where the plugin is, for ``--user-dir``."""

import argparse
from pathlib import Path


def main() -> None:
    """Print the directory."""
    description = "Print where the plugin is: fairseq-train --user-dir $(swcm user-dir) finds it."
    argparse.ArgumentParser(prog="swcm user-dir", description=description).parse_args()
    print(Path(__file__).resolve().parent)


if __name__ == "__main__":
    main()
