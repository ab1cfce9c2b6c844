"""Remove the pieces that the corpora never use from a vocabulary (and its encoder).

Text whose pieces are all kept is segmented as before (CINO, arXiv 2202.13558, section 3.1: 274,701 -> 135,359
pieces). The remaining pieces keep their order, but get new ids. If --vocab also contains an encoder, it is written with
its rows carried over by piece.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.errors import run_command
from swcm_fairseq.interop.encoder_source import FORMS, as_directory
from swcm_fairseq.options import option
from swcm_fairseq.output_files import check_distinct

from .steps.parallel import batches, ordered_map
from .steps.schema import COUNT, add_options, parsed
from .steps.terminal import print_next
from .steps.work_options import WorkOptions
from .text.text_files import check_readable_twice, open_lines
from .vocabulary.coverage import LINES_A_BATCH, LanguageFile, parse_language_file
from .vocabulary.sentencepiece_models import ModelProto, is_special, keep_pieces, processor_of, read_model
from .vocabulary.vocab_report import write_changed, written_files

NORMAL = ModelProto.SentencePiece.NORMAL


@dataclass
class PruneOptions:
    """Which pieces are kept."""

    min_count: int = option(1, "keep pieces that occur at least N times", metavar="N", rule=COUNT)
    drop_characters: bool = option(
        False, "also remove unused single-character pieces; without them, new text has more unknown tokens"
    )


class PieceCounter:
    """Counts the pieces of batches of lines; sent to each worker process once."""

    def __init__(self, model: ModelProto):
        self._processor = processor_of(model)

    def __call__(self, lines: list[str]) -> tuple[int, np.ndarray]:
        """Number of lines, and number of occurrences per sentencepiece id, int64, shape (pieces,)."""
        ids = [i for line in self._processor.encode(lines, num_threads=1) for i in line]
        return len(lines), np.bincount(ids, minlength=self._processor.get_piece_size())


def count_pieces(model: ModelProto, files: list[LanguageFile], workers: int) -> np.ndarray:
    """Number of occurrences of each piece in the files, int64, shape (pieces,)."""
    counts = np.zeros(len(model.pieces), dtype=np.int64)
    counter = PieceCounter(model)
    for file in files:
        with tqdm(desc=file.label, unit=" lines", leave=False, disable=None) as bar:
            for lines, found in ordered_map(counter, batches(open_lines(file.path), LINES_A_BATCH), workers):
                counts += found
                bar.update(lines)
    return counts


def prune(model: ModelProto, counts: np.ndarray, min_count: int, keep_characters: bool) -> list[str]:
    """Remove, in place, normal pieces that occur fewer than ``min_count`` times; return them."""

    def keep(i: int, piece: ModelProto.SentencePiece) -> bool:
        if is_special(piece) or piece.type != NORMAL:
            return True
        return bool(counts[i] >= min_count) or (keep_characters and len(piece.piece) == 1)

    return keep_pieces(model, keep)


def build_parser() -> argparse.ArgumentParser:
    """The command line of ``swcm vocab-prune``."""
    parser = command_parser(
        "vocab-prune",
        __doc__,
        """example:
  swcm vocab-prune --vocab xlm-roberta-base-bo --input bo=bo.txt zh=zh.txt kk=kk.txt --output small
""",
    )
    parser.add_argument(
        "--vocab", type=Path, required=True, metavar="DIR", help=f"vocabulary or encoder to prune{FORMS}"
    )
    parser.add_argument(
        "--input", nargs="+", required=True, action="extend", metavar="[LANG=]FILE", help="all text that will be used"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="directory to write")
    add_options(parser, PruneOptions, WorkOptions)
    return parser


def prune_vocabulary(
    vocab: Path, files: list[LanguageFile], output: Path, options: PruneOptions, work: WorkOptions
) -> None:
    """Prune a vocabulary and its encoder; print their sizes and coverage before and after.

    Args:
        vocab: directory of the vocabulary (and encoder), or a fairseq checkpoint.
        files: all text that will be used.
        output: directory to write.
        options: which pieces are kept.
        work: number of processes.

    Raises:
        InputError: a file cannot be read or written.
    """
    check_readable_twice("--input", [file.path for file in files])
    check_distinct([vocab, *(file.path for file in files)], written_files(output))
    with as_directory(vocab) as source:
        old, new = read_model(source), read_model(source)
        counts = count_pieces(old, files, work.workers)
        removed = prune(new, counts, options.min_count, not options.drop_characters)
        write_changed(source, output, old, new, files, work.workers)
    print(f"{len(old.pieces):,} -> {len(new.pieces):,} entries in the sentencepiece model; {len(removed):,} removed")


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = build_parser().parse_args(argv)
    files = [parse_language_file(spec) for spec in args.input]
    prune_vocabulary(args.vocab, files, args.output, parsed(PruneOptions, args), parsed(WorkOptions, args))
    print_next(f"swcm binarize --vocab {args.output} --output data-bin --mono LANG:train=FILE ...")


if __name__ == "__main__":
    run_command(main)
