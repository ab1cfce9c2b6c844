"""Train a sentencepiece vocabulary and write it with XLM-R's ids.

The settings are XLM-R's: unigram model, nmt_nfkc normalization, no byte fallback. The command writes
sentencepiece.bpe.model and dict.txt, which lists the pieces in the model's order. The same files and options give the
same vocabulary for any number of workers: workers only count lines and measure the result. sentencepiece, whose pieces
depend on its number of threads, always uses four.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.data.vocabulary import DICT_FILE, SENTENCEPIECE_FILE
from swcm_fairseq.errors import run_command
from swcm_fairseq.options import option
from swcm_fairseq.output_files import check_distinct

from .steps.schema import Rule, add_options, parsed
from .steps.terminal import print_next
from .steps.work_options import WorkOptions
from .text.text_files import check_readable_twice
from .vocabulary.coverage import LanguageFile, measure, parse_language_file, print_coverage
from .vocabulary.sentencepiece_models import (
    ModelProto,
    is_special,
    keep_pieces,
    processor_of,
    reserved_symbols,
    write_vocabulary,
)
from .vocabulary.sentencepiece_training import CONTROL_PIECES, TrainOptions, train_on


@dataclass
class VocabOptions(TrainOptions):
    """How a vocabulary is trained."""

    alpha: float = option(
        1.0,
        "balance the languages: p_i = q_i^A / sum q_j^A, where q is the share of lines; 1 keeps the shares, XLM-R: 0.3",
        metavar="A",
        rule=Rule("must be between 0 (all languages equal) and 1 (original shares)", lambda alpha: 0 <= alpha <= 1),
    )


def remove_reserved(model: ModelProto, langs: tuple[str, ...]) -> list[str]:
    """Remove pieces spelled like special symbols, so that text cannot turn into such symbols; return the pieces."""
    reserved = reserved_symbols(langs)
    return keep_pieces(model, lambda _, piece: is_special(piece) or piece.piece not in reserved)


def build_parser() -> argparse.ArgumentParser:
    """The command line of ``swcm vocab``."""
    parser = command_parser(
        "vocab",
        __doc__,
        """example:
  swcm vocab --input bo=bo.txt.gz zh=zh.txt kk=kk.txt --size 8000 --alpha 0.3 --output vocab
""",
    )
    parser.add_argument(
        "--input",
        nargs="+",
        required=True,
        action="extend",
        metavar="[LANG=]FILE",
        help="text, one sentence or document per line; plain, gz, xz, bz2, zst or zip",
    )
    parser.add_argument("--output", required=True, type=Path, metavar="DIR", help="vocabulary directory")
    add_options(parser, VocabOptions, WorkOptions)
    return parser


def train_vocabulary(files: list[LanguageFile], output: Path, options: VocabOptions, work: WorkOptions) -> None:
    """Train a vocabulary, write it, and print how well it covers its text.

    Args:
        files: the text; each file is read several times.
        output: vocabulary directory.
        options: how to train it.
        work: number of processes.

    Raises:
        InputError: the text is too small for that many pieces, has too many distinct characters, or the directory
            cannot be written.
    """
    check_readable_twice("--input", [file.path for file in files])
    check_distinct([file.path for file in files], [output / DICT_FILE, output / SENTENCEPIECE_FILE])
    model = train_on(files, options, options.alpha, work.workers)
    removed = remove_reserved(model, tuple(file.lang for file in files if file.lang))
    write_vocabulary(output, model)
    processor = processor_of(model)
    print_coverage(files, [measure(processor, file, work.workers) for file in files])
    print(f"\n{processor.get_piece_size() - CONTROL_PIECES:,} pieces in {output}", end="")
    print(f"; removed because they are special symbols: {' '.join(removed)}" if removed else "")


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = build_parser().parse_args(argv)
    files = [parse_language_file(spec) for spec in args.input]
    train_vocabulary(files, args.output, parsed(VocabOptions, args), parsed(WorkOptions, args))
    print_next(f"swcm binarize --vocab {args.output} --output data-bin --mono LANG:train=FILE ...")


if __name__ == "__main__":
    run_command(main)
