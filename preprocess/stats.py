"""Print statistics of data directories: size, samples, tokens (the paper's Table 6), lengths, unknown tokens, and the
probability of drawing each corpus at a given temperature. Pairs are used in both directions, once from each of their
files; names and numbers agree with the task's table. It also reads directories written by fairseq-preprocess."""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.data.corpora import CORPORA_FILE, Kind
from swcm_fairseq.data.corpus_sampling import SamplingBy, Temperature
from swcm_fairseq.data.vocabulary import DICT_FILE
from swcm_fairseq.errors import run_command
from swcm_fairseq.options import option
from swcm_fairseq.output_files import check_distinct
from swcm_fairseq.pictures import check_picture, load_pyplot, write_picture

from .databin.side_statistics import SideStatistics, read_directory
from .steps.schema import SHARE, Rule, add_options, parsed
from .steps.terminal import percent, print_table
from .steps.work_options import WorkOptions

PERCENTILES = (50, 90, 99, 100)
ALPHA = Rule("must be above 0 and at most 1 (the paper's is 0.3)", lambda alpha: 0 < alpha <= 1)


@dataclass
class StatsOptions:
    """The split to count, and the sampling to show probabilities for, named like the training options."""

    split: str = option("train", "split to read: train, valid, test ...", metavar="NAME")
    alpha: float = option(
        0.3,
        "alpha in p_i = (q_i^alpha / l_i^beta) / sum_j (q_j^alpha / l_j^beta), where q_i is the amount of data of i; "
        "--sampling-alpha in training",
        metavar="A",
        rule=ALPHA,
    )
    sampling_beta: float = option(
        0.0,
        "beta, where l_i is the mean length of a text in tokens (CINO, Yang et al. 2022, equation 2, which has "
        "1 - alpha); 0 ignores lengths (default: 0)",
        metavar="B",
        rule=SHARE,
    )
    sampling_by: str = option("language", "what i ranges over", choices=tuple(by.name for by in SamplingBy))
    sampling_unit: str = option("samples", "unit of q_i", choices=("samples", "tokens"))
    png: Path | None = option(None, "also plot sizes and lengths to this file", metavar="FILE")

    @property
    def temperature(self) -> Temperature:
        """The sampling distribution."""
        by_tokens = self.sampling_unit == "tokens"
        return Temperature(self.alpha, self.sampling_beta, SamplingBy[self.sampling_by], by_tokens)


def print_files(sides: list[SideStatistics]) -> None:
    """Print one row per file."""
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
    """Print the amount of monolingual text by language, as in the paper's Table 6."""
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
    """Plot the tokens of each file and the distribution of lengths as a PNG."""
    pyplot = load_pyplot()
    from matplotlib.ticker import EngFormatter

    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 1.5 + 0.3 * len(sides)), layout="constrained")
    names = [side.path for side in sides]
    left.barh(names, [side.tokens for side in sides], color="#4477aa")
    left.set(xlabel="tokens", title="Size")
    left.xaxis.set_major_formatter(EngFormatter())
    right.boxplot([side.lengths for side in sides], orientation="horizontal", tick_labels=names, whis=(1, 99), sym="")
    right.set(xscale="log", xlabel="tokens per sample (box: quartiles, whiskers: 1% and 99%)", title="Lengths")
    for axes in (left, right):
        axes.invert_yaxis()
    write_picture(figure, path)
    pyplot.close(figure)


def build_parser() -> argparse.ArgumentParser:
    """The command line of ``swcm stats``."""
    parser = command_parser("stats", __doc__)
    parser.add_argument("directory", type=Path, nargs="+", metavar="DATA_BIN", help="data directory")
    add_options(parser, StatsOptions, WorkOptions)
    return parser


def print_stats(directories: list[Path], options: StatsOptions, work: WorkOptions) -> list[SideStatistics]:
    """Print statistics of data directories, and plot them if requested.

    Args:
        directories: data directories.
        options: the split, the sampling and the plot.
        work: number of processes.

    Returns:
        the statistics of each file.

    Raises:
        InputError: a directory has no such split, a file is damaged, or the plot would overwrite another file.
    """
    if options.png is not None:
        check_picture("--png", options.png)
    sides = {each: read_directory(each, options.split, options.temperature, work.workers) for each in directories}
    read = [each / name for each in directories for name in (DICT_FILE, CORPORA_FILE)]
    read += [each / f"{side.path}.{ext}" for each, found in sides.items() for side in found for ext in ("bin", "idx")]
    check_distinct(read, [options.png])
    every = [side for found in sides.values() for side in found]
    print_files(every)
    print()
    print_languages(every)
    if options.png is not None:
        draw(every, options.png)
        print(f"\n{options.png}")
    return every


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = build_parser().parse_args(argv)
    print_stats(args.directory, parsed(StatsOptions, args), parsed(WorkOptions, args))


if __name__ == "__main__":
    run_command(main)
