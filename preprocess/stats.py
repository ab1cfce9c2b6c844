"""What lies in data directories: size, samples, tokens (the paper's Table 6), lengths, unknown tokens, and how often
each corpus is drawn at a given temperature. A pair goes both ways, from each of its files: these are the names and
numbers of the task's table. Directories of fairseq-preprocess are read too."""

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from swcm_fairseq.data.corpora import CORPORA_FILE, Corpus, Kind
from swcm_fairseq.data.corpus_sampling import SamplingBy, Temperature
from swcm_fairseq.data.directory import check_index, find_corpora, load_vocabulary
from swcm_fairseq.data.selection import all_directions
from swcm_fairseq.data.vocabulary import DICT_FILE
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.log_filters import quiet_pictures
from swcm_fairseq.output_files import check_distinct
from swcm_fairseq.pictures import check_picture, write_picture

from .steps.parallel import ordered_map
from .steps.schema import add_options, parsed
from .steps.terminal import percent, print_table
from .steps.work_options import WorkOptions

PERCENTILES = (50, 90, 99, 100)
_CHUNK = 1 << 24


@dataclass
class SideStatistics:
    """One indexed file.

    Attributes:
        corpus: what it belongs to.
        lang: its language.
        path: relative to the data directory, without extension.
        mebibytes: of its ``.bin``.
        lengths: tokens of each sample, ``</s>`` included, int32, shape (samples,).
        unknown: tokens that are ``<unk>``.
        group: the name in the task's table of the direction that it is the source of; "" if it is of none.
        probability: of drawing that direction.
    """

    corpus: Corpus
    lang: str
    path: str
    mebibytes: float
    lengths: np.ndarray
    unknown: int
    group: str = ""
    probability: float = 0.0

    @property
    def tokens(self) -> int:
        """Tokens, ``</s>`` included."""
        return int(self.lengths.sum(dtype=np.int64))


def count_id(path: Path, dtype: np.dtype, wanted: int) -> int:
    """How often an id occurs in a ``.bin`` file, read in chunks."""
    ids = np.memmap(path, dtype=dtype, mode="r")
    return sum(int((ids[i : i + _CHUNK] == wanted).sum()) for i in range(0, len(ids), _CHUNK))


class Side(NamedTuple):
    """One indexed file to read: its corpus, language and path in the directory."""

    corpus: Corpus
    lang: str
    path: str


@dataclass
class SideReader:
    """Reads indexed files of a data directory; sent to each worker process.

    Attributes:
        directory: the data directory.
        unknown: id of ``<unk>``.
    """

    directory: Path
    unknown: int

    def __call__(self, side: Side) -> SideStatistics:
        """Statistics of one file; raises :class:`InputError` if it is missing or damaged."""
        return read_side(self.directory, side, self.unknown)


def read_side(directory: Path, side: Side, unknown: int) -> SideStatistics:
    """Statistics of one indexed file; raises :class:`InputError` if it is missing or damaged."""
    path = side.path
    dtype, lengths = check_index(directory / path)
    data = directory / f"{path}.bin"
    found = count_id(data, dtype, unknown)
    return SideStatistics(side.corpus, side.lang, path, data.stat().st_size / 2**20, np.array(lengths), found)


def read_directory(directory: Path, split: str, temperature: Temperature, workers: int = 1) -> list[SideStatistics]:
    """All files of a split, the sides of a pair one after the other, with how often each is drawn from."""
    unknown = load_vocabulary(directory).unk()
    corpora = [corpus for corpus in find_corpora(directory) if split in corpus.splits]
    if not corpora:
        raise InputError(f"{directory}: no corpus with a split {split!r}; give another --split")
    files = [side for corpus in corpora for side in _sides(corpus, split)]
    read = ordered_map(SideReader(directory, unknown), files, min(workers, len(files)))
    sides = list(tqdm(read, desc="reading", unit="file", total=len(files), leave=False, disable=None))
    _set_probabilities(corpora, split, sides, temperature)
    return sides


def _set_probabilities(
    corpora: list[Corpus], split: str, sides: list[SideStatistics], temperature: Temperature
) -> None:
    """Name the direction that each side is the source of in ``multilingual_denoising_mt``, and how often that comes."""
    by_path = {side.path: side for side in sides}
    directions = all_directions(corpora, None)
    read = [[by_path[path] for path in direction.files(split)] for direction in directions]
    p = temperature.probabilities(
        [len(files[0].lengths) for files in read],
        [sum(file.tokens for file in files) for files in read],
        [direction.target_lang for direction in directions],
    )
    for direction, (source, *_), probability in zip(directions, read, p.tolist(), strict=True):
        source.group, source.probability = direction.group, probability


def _sides(corpus: Corpus, split: str) -> list[Side]:
    """The files of a corpus' split: one, or the source and target of pairs."""
    part = corpus.splits[split]
    source = Side(corpus, corpus.source_lang, part.source)
    target = [Side(corpus, corpus.target_lang, part.target)] if part.target is not None else []
    return [source, *target]


def print_files(sides: list[SideStatistics]) -> None:
    """One row a file."""
    rows = []
    for side in sides:
        lengths = [int(np.percentile(side.lengths, q)) for q in PERCENTILES]
        unknown = percent(side.unknown, side.tokens - len(side.lengths))
        drawn = f"{side.probability:.4f}" if side.group else "-"
        size = [f"{side.mebibytes:.1f}", len(side.lengths), side.tokens]
        rows.append([side.path, *size, *lengths, unknown, side.group or "-", drawn])
    lengths_of = [f"p{q}" for q in PERCENTILES[:-1]]
    print_table(["file", "MiB", "samples", "tokens", *lengths_of, "longest", "unknown", "drawn as", "p"], rows)


def print_languages(sides: list[SideStatistics]) -> None:
    """Monolingual text by language, as the paper's Table 6."""
    mono = [side for side in sides if side.corpus.kind is Kind.MONO]
    langs = sorted({side.lang for side in mono})
    rows: list[list[object]] = []
    for lang in [*langs, "all"]:
        chosen = [side for side in mono if lang in (side.lang, "all")]
        samples = sum(len(side.lengths) for side in chosen)
        size = sum(side.mebibytes for side in chosen)
        rows.append([lang, f"{size:.1f}", samples, sum(side.tokens for side in chosen)])
    if mono:
        print_table(["language", "MiB", "samples", "tokens"], rows)


def draw(sides: list[SideStatistics], path: Path) -> None:
    """Tokens of each file and the distribution of lengths, as a PNG."""
    try:
        quiet_pictures()
        import matplotlib
    except ImportError as error:
        raise InputError("--png needs matplotlib: pip install matplotlib") from error
    matplotlib.use("Agg")
    from matplotlib import pyplot
    from matplotlib.ticker import EngFormatter

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 1.5 + 0.3 * len(sides)), layout="constrained")
    names = [side.path for side in sides]
    left.barh(names, [side.tokens for side in sides], color="#4477aa")
    left.set(xlabel="tokens", title="Size")
    left.xaxis.set_major_formatter(EngFormatter())
    right.boxplot([side.lengths for side in sides], orientation="horizontal", tick_labels=names, whis=(1, 99), sym="")
    right.set(xscale="log", xlabel="tokens a sample (box: quartiles, whiskers: 1% and 99%)", title="Lengths")
    for axes in (left, right):
        axes.invert_yaxis()
    write_picture(figure, path)
    pyplot.close(figure)


def build_parser() -> argparse.ArgumentParser:
    """The command line of ``python -m preprocess.stats``."""
    parser = argparse.ArgumentParser(prog="python -m preprocess.stats", description=__doc__)
    parser.add_argument("directory", type=Path, nargs="+", metavar="DATA_BIN", help="data directory")
    parser.add_argument("--split", default="train", metavar="NAME", help="train, valid, test ... (default: train)")
    parser.add_argument(
        "--alpha", type=float, default=0.3, metavar="A", help="temperature of the sampling (default: 0.3, the paper's)"
    )
    parser.add_argument(
        "--sampling-by",
        choices=[by.name for by in SamplingBy],
        default=SamplingBy.language.name,
        help="what the temperature applies to, as in training (default: language)",
    )
    parser.add_argument("--png", type=Path, metavar="FILE", help="also draw sizes and lengths")
    add_options(parser, WorkOptions)
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = build_parser().parse_args(argv)
    if not 0 < args.alpha <= 1:
        raise InputError(f"--alpha {args.alpha}: give a number above 0 and up to 1 (the paper's is 0.3)")
    work = parsed(WorkOptions, args)
    if args.png is not None:
        check_picture("--png", args.png)
    temperature = Temperature(args.alpha, by=SamplingBy[args.sampling_by])
    sides = [
        side
        for directory in args.directory
        for side in read_directory(directory, args.split, temperature, work.workers)
    ]
    read = [each / f"{side.path}.{ext}" for each in args.directory for side in sides for ext in ("bin", "idx")]
    check_distinct([*read, *(each / name for each in args.directory for name in (DICT_FILE, CORPORA_FILE))], [args.png])
    print_files(sides)
    print()
    print_languages(sides)
    if args.png is not None:
        draw(sides, args.png)
        print(f"\n{args.png}")


if __name__ == "__main__":
    run_command(main)
