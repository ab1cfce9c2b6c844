"""``python -m swcm_fairseq`` and ``swcm user-dir`` print the directory of the plugin, for ``--user-dir``."""

import argparse
from pathlib import Path


def main() -> None:
    """Print the directory."""
    description = "Print the directory of the plugin, for use as fairseq-train --user-dir $(swcm user-dir)."
    argparse.ArgumentParser(prog="swcm user-dir", description=description).parse_args()
    print(Path(__file__).resolve().parent)


if __name__ == "__main__":
    main()
