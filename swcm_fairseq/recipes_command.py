"""``swcm recipes``: list the recipes and manifests in the package, print their paths, or copy them."""

import argparse
import re
import shutil
from pathlib import Path

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.output_files import Workspace, cannot_write

FOLDER = "examples"  # the name in a checkout and in copies, by which recipes find each other
RECIPES = ("*.sh", "*.sbatch", "*.yaml")


def recipes_directory() -> Path:
    """The directory of the recipes, which is next to the package in a checkout and inside it when installed.

    Raises:
        InputError: it is missing.
    """
    package = Path(__file__).resolve().parent
    for place in (package / "recipes", package.parent / FOLDER):
        if (place / "lib.sh").is_file():
            return place
    raise InputError(f"{package}: the recipes are missing; install the package again")


def listing(directory: Path) -> str:
    """Each recipe and manifest with the first sentence of its description."""
    files = sorted(path for pattern in RECIPES for path in directory.rglob(pattern) if path.parent != directory)
    names = [str(path.relative_to(directory)) for path in files]
    width = max(map(len, names))
    return "\n".join(f"{name:<{width}}  {_summary(path)}" for name, path in zip(names, files, strict=True))


def _summary(path: Path) -> str:
    """The first sentence of a file's first comment, in one line."""
    comment: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(("#!", "# shellcheck")):
            continue
        if not line.startswith("# ") or (comment and comment[-1].endswith(".")):
            break
        comment.append(line[2:])
    return re.split(r"[.:;,] | \(|\.$", " ".join(comment))[0]


def located(directory: Path, name: str) -> Path:
    """The path of a recipe or manifest; raises :class:`InputError` if no recipe or manifest has that name."""
    path = directory / name
    if (directory not in path.resolve().parents and path != directory) or not path.exists():
        raise InputError(f"--path {name}: no such recipe or manifest; swcm recipes lists them")
    return path


def copy(directory: Path, target: Path) -> Path:
    """Copy all recipes and the files that they need, atomically.

    Args:
        directory: the directory of the recipes.
        target: directory to copy to; the recipes will be in its subdirectory ``examples``.

    Returns:
        The directory of the copy.

    Raises:
        InputError: the copy already exists or cannot be written.
    """
    place = target / FOLDER
    if place.exists():
        raise InputError(f"--copy {target}: {place} already exists; remove it or give another directory")
    try:
        with Workspace(place, is_folder=True) as workspace:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(directory, workspace.place, dirs_exist_ok=True, ignore=ignored)
            workspace.commit()
    except (OSError, shutil.Error) as error:
        raise cannot_write(place, error) from error
    return place


def build_parser() -> argparse.ArgumentParser:
    """The command line of ``swcm recipes``."""
    parser = command_parser(
        "recipes",
        "List the recipes and manifests in the package, print their paths, or copy them.",
        epilog="""examples:
  swcm recipes --copy .                                       # then: examples/pretraining/single_gpu.sh --help
  swcm run $(swcm recipes --path manifests/pretraining.yaml)
""",
    )
    choice = parser.add_mutually_exclusive_group()
    choice.add_argument(
        "--path",
        nargs="?",
        const="",
        metavar="NAME",
        help="print the path of their directory, or of the one with this name",
    )
    choice.add_argument(
        "--copy", type=Path, metavar="DIR", help=f"copy all of them to DIR/{FOLDER}, where you can change them"
    )
    return parser


def main() -> None:
    """Run the command line."""
    args = build_parser().parse_args()
    directory = recipes_directory()
    if args.path is not None:
        print(located(directory, args.path))
    elif args.copy is not None:
        print(copy(directory, args.copy))
    else:
        print(listing(directory))


if __name__ == "__main__":
    run_command(main)
