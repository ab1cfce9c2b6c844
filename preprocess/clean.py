"""Clean text line by line. Every step has a name, can be skipped, and reports its counts.

Steps that change lines:  controls, invisible (zero-width and bidirectional characters without meaning), unicode (NFC,
presentation forms to letters), spaces; on request kazakh (one script) and mongolian (one spelling).
Steps that leave out lines:  length, letters (none), boilerplate (links, --boilerplate), script, language (a confident
offline identifier), ratio (pairs only), duplicates; on request near duplicates and held-out lines.
"""

import argparse
from contextlib import ExitStack
from pathlib import Path

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.errors import InputError, exists, run_command
from swcm_fairseq.output_files import LineFiles, check_distinct

from .databin.corpus_specs import Job, corpus_of, parse_languages
from .steps.ledger import WORDS, Ledger, RejectsFile
from .steps.schema import add_options, parsed
from .steps.terminal import percent, print_next, print_table
from .steps.work_options import LineWorkOptions
from .text.cleaning import CleanedCounts, CleanOptions, clean_lines, corpus_filters, line_cleaner
from .text.filters import unfit_steps
from .text.reading_options import ReadingOptions


def build_parser() -> argparse.ArgumentParser:
    """The command line of ``swcm clean``."""
    parser = command_parser(
        "clean",
        __doc__,
        """examples:
  swcm clean --lang bo --input bo.txt --output clean/bo.txt --held-out bo.valid.txt bo.test.txt
  swcm clean --lang zh-bo --input train.zh train.bo --output clean/train.zh clean/train.bo
""",
    )
    parser.add_argument("--lang", required=True, metavar="LANG|SRC-TGT", help="language, or the two languages of pairs")
    parser.add_argument("--input", nargs="+", required=True, type=Path, metavar="FILE", help="one file; two for pairs")
    parser.add_argument("--output", nargs="+", required=True, type=Path, metavar="FILE", help="one file per --input")
    add_options(parser, CleanOptions, ReadingOptions, LineWorkOptions)
    return parser


def clean(
    langs: tuple[str, ...],
    inputs: list[Path],
    outputs: list[Path],
    options: CleanOptions,
    reading: ReadingOptions,
    work: LineWorkOptions,
) -> Ledger:
    """Clean one file, or the two files of pairs side by side, and print what was changed and left out.

    Args:
        langs: language of each file.
        inputs: one or two files.
        outputs: one output file per input.
        options: the steps and their limits.
        reading: how lines are read.
        work: number of processes, and the file that lists what is left out.

    Raises:
        InputError: a file is missing or would be overwritten, or no lines are left; nothing half-written remains.
    """
    check_distinct([*inputs, *options.read], [*outputs, work.rejects])
    for path in [*inputs, *options.read]:
        if not exists(path):
            raise InputError(f"{path}: no such file")
    for lang in dict.fromkeys(langs):
        if unfit := unfit_steps(options.steps, lang):
            print(
                f"note: {lang}: not described in the language table; these steps let all lines pass: {', '.join(unfit)}"
            )
    cleaner = line_cleaner(langs, tuple(inputs), options, reading)
    corpus = corpus_filters(options, reading.encoding)
    with ExitStack() as stack:
        output = stack.enter_context(LineFiles(outputs))
        rejects = stack.enter_context(RejectsFile(work.rejects))
        counts = clean_lines(tuple(inputs), cleaner, corpus, output, rejects, work.workers)
        rejects.commit()
        if not counts.ledger.kept:
            raise InputError(
                f"{inputs[0]}: no lines are left ({counts.ledger.describe()}); check --lang, or skip a step: --without"
            )
        output.commit()
    print_counts(counts)
    return counts.ledger


def print_counts(counts: CleanedCounts) -> None:
    """Print what was changed and left out, by step and reason."""
    ledger = counts.ledger
    rows: list[list[object]] = [["read", ledger.lines, ""]]
    rows += [
        [f"changed by {step}", count, percent(count, ledger.lines)] for step, count in counts.changed.items() if count
    ]
    rows += [
        [f"left out: {reason}", count, percent(count, ledger.lines)]
        for reason, count in sorted(ledger.left_out.items())
    ]
    print_table(["", "lines", ""], [*rows, ["kept", ledger.kept, percent(ledger.kept, ledger.lines)]])
    for step, words in counts.words.items():
        print()
        found = [[what, count, percent(count, words[WORDS])] for what, count in words.items() if count]
        print_table([step, "words", ""], sorted(found, key=lambda row: row[0] != WORDS))


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = build_parser().parse_args(argv)
    langs = parse_languages("--lang", args.lang)
    if not len(args.input) == len(args.output) == len(langs):
        raise InputError(
            f"--lang {args.lang} has {len(langs)} language(s), --input {len(args.input)} and --output "
            f"{len(args.output)} file(s); give one of each, or two of each for pairs"
        )
    options, reading, work = parsed(CleanOptions, args), parsed(ReadingOptions, args), parsed(LineWorkOptions, args)
    clean(langs, args.input, args.output, options, reading, work)
    job = Job(corpus_of(langs), "train", [tuple(args.output)])
    print_next(f"swcm binarize --vocab VOCAB --output data-bin {job.flag}")


if __name__ == "__main__":
    run_command(main)
