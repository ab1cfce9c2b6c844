"""Train a sentencepiece vocabulary and write it with XLM-R's ids.

The settings are XLM-R's: unigram model, nmt_nfkc normalization, no byte fallback. DIR gets sentencepiece.bpe.model and
dict.txt, the pieces in the model's order. The same files and options give the same vocabulary, however many workers
count lines and measure the result: sentencepiece always learns with four threads, on which its pieces depend.
"""

import argparse
import io
import re
from collections.abc import Iterator
from pathlib import Path

import sentencepiece

from swcm_fairseq.data.vocabulary import DICT_FILE, SENTENCEPIECE_FILE
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.output_files import check_distinct

from .steps.terminal import print_next
from .text.reading_options import add_workers_option, check_counts
from .text.text_files import check_readable_twice
from .vocabulary.coverage import LanguageFile, measure, parse_language_file, print_coverage
from .vocabulary.line_sampling import count_lines, rates, sample_lines
from .vocabulary.sentencepiece_models import (
    ModelProto,
    is_special,
    keep_pieces,
    processor_of,
    reserved_symbols,
    write_vocabulary,
)

CONTROL_PIECES = 3  # <unk> <s> </s>, in the model but not in dict.txt
MAX_LINE_BYTES = 1 << 22
# The result depends on the number of threads, so it is not taken from the machine.
TRAINER_THREADS = 4
_TOO_MANY = re.compile(r"Vocabulary size (?:is )?too high \(\d+\)\. Please set it to a value <= (\d+)")
_TOO_FEW = re.compile(r"Vocabulary size is smaller than required_chars\. \d+ vs (\d+)")


def train(lines: Iterator[str], size: int, coverage: float) -> ModelProto:
    """Train a unigram model of ``size`` pieces, special ones not counted.

    Raises:
        InputError: the text is too small for that many pieces, or has too many different characters.
    """
    output = io.BytesIO()
    raised: list[BaseException] = []
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=_remember(lines, raised),
            model_writer=output,
            model_type="unigram",
            vocab_size=size + CONTROL_PIECES,
            character_coverage=coverage,
            normalization_rule_name="nmt_nfkc",
            byte_fallback=False,
            max_sentence_length=MAX_LINE_BYTES,
            num_threads=TRAINER_THREADS,
            minloglevel=2,
        )
    except (RuntimeError, OSError) as error:
        if raised:
            raise raised[0] from None
        raise InputError(_explain(str(error), size)) from error
    model = ModelProto()
    model.ParseFromString(output.getvalue())
    return model


def _remember(lines: Iterator[str], raised: list[BaseException]) -> Iterator[str]:
    """``lines``; what they raise (Ctrl-C too) is kept, since sentencepiece turns it into an error of its own."""
    try:
        yield from lines
    except GeneratorExit:
        raise
    except BaseException as error:
        raised.append(error)
        raise


def _explain(message: str, size: int) -> str:
    if match := _TOO_MANY.search(message):
        return f"--size {size}: the text is too small; at most {int(match[1]) - CONTROL_PIECES} pieces can be learned"
    if match := _TOO_FEW.search(message):
        return f"--size {size}: the text has more characters than that; give at least {int(match[1]) - CONTROL_PIECES}"
    return f"sentencepiece could not train a vocabulary: {message}"


def remove_reserved(model: ModelProto, langs: tuple[str, ...]) -> list[str]:
    """Take out pieces spelled like special symbols, so that text cannot turn into one; return them."""
    reserved = reserved_symbols(langs)
    return keep_pieces(model, lambda _, piece: is_special(piece) or piece.piece not in reserved)


def make_parser() -> argparse.ArgumentParser:
    """The command line of ``python -m preprocess.vocab``."""
    parser = argparse.ArgumentParser(
        prog="python -m preprocess.vocab",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog="""example:
  python -m preprocess.vocab --input bo=bo.txt.gz zh=zh.txt kk=kk.txt --size 8000 --alpha 0.3 --output vocab
""",
    )
    parser.add_argument(
        "--input",
        nargs="+",
        required=True,
        action="extend",
        metavar="[LANG=]FILE",
        help="text, one sentence or document a line; plain, gz, xz, bz2, zst or zip",
    )
    parser.add_argument("--size", type=int, default=16_000, metavar="N", help="pieces in dict.txt (default: 16000)")
    parser.add_argument("--output", required=True, metavar="DIR", help="vocabulary directory")
    parser.add_argument(
        "--alpha",
        type=float,
        default=1.0,
        metavar="A",
        help="balance the languages: p_i = q_i^A / sum q_j^A over their shares of lines "
        "(default: 1, as they are; XLM-R: 0.3)",
    )
    parser.add_argument(
        "--max-lines",
        type=int,
        default=5_000_000,
        metavar="N",
        help="train on a sample of at most N lines (default: 5000000)",
    )
    parser.add_argument(
        "--character-coverage",
        type=float,
        default=0.99995,
        metavar="SHARE",
        help="of the text, that the pieces must be able to write (default: 0.99995, as XLM-R)",
    )
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="of the sample of lines (default: 1)")
    add_workers_option(parser)
    return parser


def check_options(args: argparse.Namespace) -> None:
    """Raise :class:`InputError` for a number outside its range."""
    check_counts(args, "size", "max_lines", "workers")
    if not 0 <= args.alpha <= 1:
        raise InputError(f"--alpha {args.alpha}: must be between 0 (all languages equal) and 1 (as they are)")
    if not 0.9 <= args.character_coverage <= 1:
        raise InputError(f"--character-coverage {args.character_coverage}: must be between 0.9 and 1")


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = make_parser().parse_args(argv)
    check_options(args)
    files: list[LanguageFile] = [parse_language_file(spec) for spec in args.input]
    check_readable_twice("--input", [file.path for file in files])
    check_distinct([file.path for file in files], [Path(args.output, DICT_FILE), Path(args.output, SENTENCEPIECE_FILE)])
    rate = rates(count_lines(files, args.workers), args.alpha, args.max_lines)
    model = train(sample_lines(files, rate, args.seed), args.size, args.character_coverage)
    removed = remove_reserved(model, tuple(file.lang for file in files if file.lang))
    write_vocabulary(args.output, model)
    processor = processor_of(model)
    print_coverage(files, [measure(processor, file, args.workers) for file in files])
    print(f"\n{processor.get_piece_size() - CONTROL_PIECES:,} pieces in {args.output}", end="")
    print(f"; left out, as they are special symbols: {' '.join(removed)}" if removed else "")
    print_next(f"python -m preprocess.binarize --vocab {args.output} --output data-bin --mono LANG:train=FILE ...")


if __name__ == "__main__":
    run_command(main)
