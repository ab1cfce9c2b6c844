"""Save matplotlib figures atomically, and only overwrite figures that this package has written."""

from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from swcm_fairseq.errors import InputError
from swcm_fairseq.output_files import target_of, whole_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARK = "swcm_fairseq"  # written into the metadata of every figure
_MOST_BYTES = 1 << 24  # maximum size of a figure of this package
# File extension, which sets the format -> metadata key for the mark.
FORMATS = {".png": "Software", ".svg": "Creator", ".pdf": "Creator"}


def load_pyplot() -> ModuleType:
    """matplotlib's ``pyplot``, which takes most of a second to import; raises :class:`InputError` if it is missing."""
    try:
        import matplotlib
    except ImportError as error:
        raise InputError("figures need matplotlib: pip install matplotlib") from error
    matplotlib.use("agg")
    from matplotlib import pyplot

    return pyplot


def check_picture(option: str, path: Path) -> None:
    """Check, before work begins, that :func:`write_picture` will not overwrite anything but figures of this package.

    Raises:
        InputError: it would, or the file extension is not in :data:`FORMATS`.
    """
    target = target_of(path)
    if target.is_dir():
        raise InputError(f"{option} {path}: is a directory; give a file, for example {path / 'picture.png'}")
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{option} {path}: give a name that ends in {', '.join(FORMATS)}")
    if target.is_file() and not _is_ours(target):
        raise InputError(f"{option} {path}: already exists and was not written by this program; give another file")


def _is_ours(path: Path) -> bool:
    with open(path, "rb") as file:
        return MARK.encode() in file.read(_MOST_BYTES)


def write_picture(figure: "Figure", path: Path, dpi: int = 120) -> None:
    """Write a figure in the format given by the extension of ``path``; raises :class:`InputError` if that fails."""
    suffix = path.suffix.lower()
    with whole_file(path) as place:
        figure.savefig(place, format=suffix.removeprefix("."), dpi=dpi, metadata={FORMATS[suffix]: MARK})
