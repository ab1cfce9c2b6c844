"""Encode text with a vocabulary and write fairseq's ``.bin/.idx`` files and ``corpora.json``.

A single pass from text to ids writes the same bytes as ``spm_encode | fairseq-preprocess``. Further runs into the same
directory add corpora or replace those of the same name and split, and keep the others. Splits that were already made
from the same files with the same options are skipped.
"""

import argparse
from pathlib import Path

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.data.corpora import CORPORA_FILE
from swcm_fairseq.data.vocabulary import DICT_FILE, SENTENCEPIECE_FILE, Vocabulary
from swcm_fairseq.errors import InputError, exists, run_command
from swcm_fairseq.output_files import check_distinct

from .databin.binarizer import Binarizer, Result
from .databin.corpus_specs import MONO_FORM, PAIR_FORM, PLAIN_FORM, Job, gather, parse_mono, parse_pair, parse_plain
from .databin.data_directory import DataBin
from .steps.ledger import RejectsFile
from .steps.schema import add_options, parsed
from .steps.terminal import percent, print_next, print_table
from .steps.work_options import LineWorkOptions
from .text.reading_options import ReadingOptions


def print_results(results: list[Result]) -> None:
    """Print one row for each side of each split."""
    rows: list[list[object]] = []
    for result in results:
        split = result.split
        left_out = ", ".join(f"{reason} {count:,}" for reason, count in split.left_out.items()) or "-"
        sides = [(split.source, split.source_tokens, split.source_unknown)]
        if split.target is not None:
            sides.append((split.target, split.target_tokens, split.target_unknown))
        for path, tokens, unknown in sides:
            note = "new" if result.made else "existed"
            rows.append(
                [path, split.lines, split.samples, left_out, tokens, percent(unknown, tokens - split.samples), note]
            )
    print_table(["file", "lines", "kept", "left out", "tokens", "unknown", ""], rows)


def build_parser() -> argparse.ArgumentParser:
    """The command line of ``swcm binarize``."""
    parser = command_parser(
        "binarize",
        __doc__,
        """examples:
  swcm binarize --vocab vocab --output data-bin \\
      --mono bo:train=bo.txt.gz --mono bo:valid=bo.valid.txt --mono zh:train=zh.txt \\
      --pair zh-bo:train=train.zh,train.bo --pair bo-bo:ti_sum:train=articles.txt,titles.txt
  swcm binarize --vocab vocab --output encoder-bin --plain train=bo.txt --plain train=zh.txt
""",
    )
    parser.add_argument("--vocab", required=True, type=Path, metavar="DIR", help="vocabulary written by swcm vocab")
    parser.add_argument(
        "--output",
        required=True,
        type=Path,
        metavar="DIR",
        help="data directory; created if missing, extended if it exists",
    )
    texts = parser.add_argument_group(
        "text (one sentence or document per line; plain, gz, xz, bz2, zst or zip; inputs for the same corpus and split "
        "are concatenated)"
    )
    texts.add_argument("--mono", nargs="+", action="extend", default=[], metavar=MONO_FORM, help="text in one language")
    texts.add_argument(
        "--pair",
        nargs="+",
        action="extend",
        default=[],
        metavar=PAIR_FORM,
        help="line-aligned pairs; NAME defaults to SRC-TGT, and is required if both languages are the same",
    )
    texts.add_argument(
        "--plain",
        nargs="+",
        action="extend",
        default=[],
        metavar=PLAIN_FORM,
        help="text without a language, for fairseq's own tasks such as masked_lm; not listed in corpora.json",
    )
    add_options(parser, ReadingOptions, LineWorkOptions)
    parser.add_argument("--again", action="store_true", help="also redo splits that already exist")
    return parser


def parse_jobs(args: argparse.Namespace) -> list[Job]:
    """The splits named on the command line."""
    jobs = [
        *map(parse_mono, args.mono),
        *map(parse_pair, args.pair),
        *map(parse_plain, args.plain),
    ]
    if not jobs:
        raise InputError("nothing to binarize: give --mono, --pair or --plain; see --help")
    return jobs


def check_files(vocab: Path, output: Path, jobs: list[Job], rejects: Path | None) -> None:
    """Raise :class:`InputError` if a file is missing or an input would be overwritten."""
    for job in jobs:
        for path in (path for part in job.inputs for path in part):
            if not exists(path):
                raise InputError(f"{path}: no such file (for {job.label})")
    vocabulary = (DICT_FILE, SENTENCEPIECE_FILE)
    names = [f"{prefix}.{ext}" for job in jobs for prefix in job.prefixes for ext in ("bin", "idx")]
    written = [output / name for name in (*names, *vocabulary, CORPORA_FILE)]
    check_distinct([path for job in jobs for part in job.inputs for path in part], [*written, rejects])
    check_distinct([vocab, *(vocab / name for name in vocabulary)], [rejects])


def binarize(
    vocab: Path, output: Path, jobs: list[Job], reading: ReadingOptions, work: LineWorkOptions, again: bool = False
) -> list[Result]:
    """Encode splits into a data directory and print their counts.

    Args:
        vocab: vocabulary directory.
        output: data directory, which is created if missing and extended if it exists.
        jobs: the splits; jobs for the same split of the same corpus are joined.
        reading: how lines are read.
        work: number of processes, and the file that lists what is left out.
        again: whether to redo splits that already exist.

    Raises:
        InputError: a file is missing or damaged, the directory was made with another vocabulary, or no lines are left.
    """
    jobs = gather(jobs)
    check_files(vocab, output, jobs, work.rejects)
    vocabulary = Vocabulary(vocab)
    with DataBin(output, vocabulary) as data_bin, RejectsFile(work.rejects) as rejects:
        for job in jobs:
            data_bin.check_fits(job.corpus)
        again = again or work.rejects is not None  # the list of rejects must be complete
        binarizer = Binarizer(vocabulary, data_bin, reading, work.workers, rejects, again)
        results = [binarizer.run(job) for job in jobs]
        rejects.commit()
        print_results(results)
    return results


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = build_parser().parse_args(argv)
    reading, work = parsed(ReadingOptions, args), parsed(LineWorkOptions, args)
    binarize(args.vocab, args.output, parse_jobs(args), reading, work, args.again)
    print_next(f"fairseq-train {args.output} --user-dir $(python -m swcm_fairseq) --task multilingual_denoising_mt ...")


if __name__ == "__main__":
    run_command(main)
