"""Split text into sentences, or long documents into parts of whole sentences.

The denoising task finds the sentences of a document itself. This command is for text that must be split beforehand:
documents that are too long for one line (--part-chars), or tasks on single sentences (one sentence per line). Parts
keep the order of the document; only the spaces between parts are lost.
"""

import argparse
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.data.languages import check_code
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.options import option
from swcm_fairseq.output_files import LineFiles, check_distinct

from .steps.ledger import RejectsFile
from .steps.schema import COUNT, add_options, parsed
from .steps.terminal import print_next, print_table
from .steps.work_options import LineWorkOptions
from .text.reading_options import ReadingOptions
from .text.sentence_splitting import BlockSplitter, SentenceSplitter, pack, split_file

__all__ = ["SentenceSplitter", "SplitOptions", "pack", "split_sentences"]


@dataclass
class SplitOptions:
    """What to split the text into."""

    part_chars: int | None = option(
        None,
        "write parts of whole sentences with at most N characters (default: one sentence per line)",
        metavar="N",
        rule=COUNT,
    )


def build_parser() -> argparse.ArgumentParser:
    """The command line of ``swcm sentences``."""
    parser = command_parser("sentences", __doc__)
    parser.add_argument("--lang", required=True, metavar="LANG", help="language of the text")
    parser.add_argument("--input", required=True, type=Path, metavar="FILE", help="one document per line")
    parser.add_argument("--output", required=True, type=Path, metavar="FILE", help="file to write")
    add_options(parser, SplitOptions, ReadingOptions, LineWorkOptions)
    parser.set_defaults(max_chars=10_000_000)
    return parser


def split_sentences(
    lang: str, path: Path, output: Path, options: SplitOptions, reading: ReadingOptions, work: LineWorkOptions
) -> None:
    """Split a file into sentences or parts, and print how many.

    Args:
        lang: language of the text.
        path: text with one document per line.
        output: file to write.
        options: what to split the text into.
        reading: how lines are read.
        work: number of processes, and the file that lists what is left out.

    Raises:
        InputError: the file cannot be read, or no lines are left; nothing half-written remains.
    """
    check_distinct([path], [output, work.rejects])
    splitter = BlockSplitter(lang, reading, options.part_chars)
    with ExitStack() as stack:
        parts = stack.enter_context(LineFiles([output]))
        rejects = stack.enter_context(RejectsFile(work.rejects))
        ledger, written = split_file(path, splitter, reading.max_bytes, parts, rejects, work.workers)
        rejects.commit()
        if not ledger.kept:
            raise InputError(f"{path}: no lines are left ({ledger.describe()})")
        parts.commit()
    print_table(
        ["file", "documents", "kept", "left out", "parts"],
        [[output, ledger.lines, ledger.kept, ledger.describe(), written]],
    )


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = build_parser().parse_args(argv)
    options, reading, work = parsed(SplitOptions, args), parsed(ReadingOptions, args), parsed(LineWorkOptions, args)
    split_sentences(check_code(args.lang), args.input, args.output, options, reading, work)
    print_next(f"swcm clean --lang {args.lang} --input {args.output} --output FILE")


if __name__ == "__main__":
    run_command(main)
