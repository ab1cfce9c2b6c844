"""Extend a vocabulary (and its encoder) with pieces of new languages.

For each language of --input, a sentencepiece model of --size pieces is trained. Its pieces in the scripts of the
language that the vocabulary lacks are appended (CINO, arXiv 2202.13558, section 3.1). Old pieces keep their ids;
<mask> follows the last piece. If --vocab also contains an encoder, it is written with its rows carried over by piece.
Rows of new pieces are drawn at random (--new-rows-std) or, with --align, start from the rows of their translations.
"""

import argparse
import math
from dataclasses import dataclass, replace
from pathlib import Path

import regex

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.data.languages import language
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.interop.encoder_files import has_encoder
from swcm_fairseq.interop.encoder_source import FORMS, as_directory
from swcm_fairseq.interop.row_plans import INIT_STD, NewRows
from swcm_fairseq.options import option
from swcm_fairseq.output_files import check_distinct

from .steps.schema import Rule, add_options, parsed
from .steps.terminal import print_next
from .steps.work_options import WorkOptions
from .text.text_files import check_readable_twice
from .vocabulary.bitext import FORM, Bitext, encode_bitext, parse_bitext, read_bitext
from .vocabulary.coverage import LanguageFile, parse_language_file
from .vocabulary.row_starts import means, translations
from .vocabulary.sentencepiece_models import ModelProto, add_pieces, is_special, processor_of, read_model
from .vocabulary.sentencepiece_training import TrainOptions, train_on
from .vocabulary.vocab_report import write_changed, written_files
from .vocabulary.word_alignment import align


@dataclass
class ExtendOptions(TrainOptions):
    """How a vocabulary is extended."""

    pieces_of: list[Path] = option(factory=list, help="also append the pieces of these vocabularies", metavar="DIR")
    align: list[str] = option(
        factory=list,
        help="line-aligned parallel text in a new and a known language: the encoder's rows for new pieces start from "
        "the rows of their translations",
        metavar=FORM,
    )
    new_rows: str | None = option(
        None,
        "how the other new rows start: at random, as in CINO, or from the mean of the old pieces that spell the new "
        "one (of all old pieces if they cannot spell it); default: mean with --align, random without",
        choices=("random", "mean"),
    )
    new_rows_std: float = option(
        INIT_STD,
        "standard deviation of random new rows. CINO's paper says *variance* 0.02, which is S = 0.1414; in the code of "
        "BERT and XLM-R, which CINO extends, 0.02 is the standard deviation",
        metavar="S",
        rule=Rule("must be above 0 and finite, such as 0.02", lambda std: 0 < std < math.inf),
    )
    push_apart: float = option(
        0.0,
        "move all rows of a language that start from old rows in one random direction, by A times the mean length of a "
        "row, so that the output layer distinguishes them from their translations (default: 0)",
        metavar="A",
        rule=Rule("must be 0 or more", lambda share: share >= 0),
    )


def pieces_of(model: ModelProto) -> list[str]:
    """The text pieces of a model, in its order."""
    return [piece.piece for piece in model.pieces if not is_special(piece)]


def in_scripts_of(lang: str, pieces: list[str]) -> list[str]:
    """The pieces with a character in the scripts of the language; all pieces if the language table lacks its scripts.

    Numbers and foreign words in the text of a language must not change the segmentation of other languages.
    """
    scripts = language(lang).scripts
    if not scripts:
        return pieces
    character = regex.compile("|".join(rf"\p{{Script={script}}}" for script in scripts))
    return [piece for piece in pieces if character.search(piece)]


def extend(model: ModelProto, inputs: list[LanguageFile], options: ExtendOptions, workers: int) -> dict[str, str]:
    """Append, in place, pieces of other vocabularies and pieces learned from text to a model; print how many.

    Returns:
        new piece -> the language it was learned from ("" for pieces of other vocabularies).
    """
    new: dict[str, str] = {}
    for directory in options.pieces_of:
        added = add_pieces(model, pieces_of(read_model(directory)))
        new |= dict.fromkeys(added, "")
        print(f"{directory}: {len(added):,} new pieces")
    for lang in dict.fromkeys(file.lang for file in inputs):
        files = [file for file in inputs if file.lang == lang]
        pieces = pieces_of(train_on(files, options, 1.0, workers))
        added = add_pieces(model, in_scripts_of(str(lang), pieces))
        new |= dict.fromkeys(added, str(lang))
        print(f"{lang}: {len(added):,} new pieces of {len(pieces):,}")
    return new


def start_rows(
    old: ModelProto, new: ModelProto, added: dict[str, str], bitexts: list[Bitext], options: ExtendOptions
) -> NewRows:
    """How the rows of the ``added`` pieces are initialized."""
    processor, links, texts = processor_of(new), [], []
    for bitext in bitexts:
        links.append(align(encode_bitext(bitext, processor), len(new.pieces), options.seed))
        bitext.use_only(links[-1].pairs)
        texts.append({"align": bitext.files.spec, "lines": dict(+bitext.lines)})
    starts = means(old, added) if options.new_rows == "mean" else {}
    return NewRows(starts | translations(links, new, added), options.push_apart, texts, options.new_rows_std)


def read_bitexts(options: ExtendOptions, inputs: list[LanguageFile], output: Path) -> list[Bitext]:
    """The parallel texts of ``--align``; raises :class:`InputError` if --push-apart has no rows to move."""
    files = [parse_bitext(spec, [str(file.lang) for file in inputs]) for spec in options.align]
    if options.push_apart and options.new_rows != "mean" and not files:
        raise InputError("--push-apart moves rows that start from old ones; add --align or --new-rows mean")
    check_distinct([path for each in files for path in (each.known, each.new)], written_files(output))
    return [read_bitext(each, options.seed) for each in files]


def build_parser() -> argparse.ArgumentParser:
    """The command line of ``swcm vocab-extend``."""
    parser = command_parser(
        "vocab-extend",
        __doc__,
        """example:
  swcm vocab-extend --vocab xlm-roberta-base --input bo=bo.txt.gz --output xlm-roberta-base-bo
""",
    )
    parser.add_argument(
        "--vocab", type=Path, required=True, metavar="DIR", help=f"vocabulary or encoder to extend{FORMS}"
    )
    parser.add_argument(
        "--input", nargs="+", action="extend", default=[], metavar="LANG=FILE", help="text to learn new pieces from"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="directory to write")
    parser.add_argument(
        "--check", nargs="+", action="extend", default=[], metavar="[LANG=]FILE", help="more text to report on"
    )
    add_options(parser, ExtendOptions, WorkOptions)
    return parser


def extend_vocabulary(
    vocab: Path,
    inputs: list[LanguageFile],
    checks: list[LanguageFile],
    output: Path,
    options: ExtendOptions,
    work: WorkOptions,
) -> None:
    """Extend a vocabulary and its encoder; print their sizes and coverage before and after.

    Args:
        vocab: directory of the vocabulary (and encoder), or a fairseq checkpoint.
        inputs: text to learn new pieces from, with its languages.
        checks: more text to report on.
        output: directory to write.
        options: the number of new pieces, and how their rows start.
        work: number of processes.

    Raises:
        InputError: there is nothing to add, a file cannot be read, or there are no rows to start from.
    """
    if not inputs and not options.pieces_of:
        raise InputError("nothing to add: give --input, --pieces-of or both")
    if any(file.lang is None for file in inputs):
        raise InputError("--input needs a language: LANG=FILE, for example bo=bo.txt")
    if options.new_rows is None:
        options = replace(options, new_rows="mean" if options.align else "random")
    texts = [file.path for file in inputs + checks]
    check_readable_twice("--input and --check", texts)
    check_distinct([vocab, *options.pieces_of, *texts], written_files(output))
    bitexts = read_bitexts(options, inputs, output)
    with as_directory(vocab) as source:
        old, new = read_model(source), read_model(source)
        if (bitexts or options.new_rows == "mean") and not has_encoder(source):
            flag = "--align" if bitexts else "--new-rows mean"
            raise InputError(f"{flag}: {vocab} contains no encoder, so there are no rows to start from; omit {flag}")
        added = extend(new, inputs, options, work.workers)
        new_rows = start_rows(old, new, added, bitexts, options)
        write_changed(source, output, old, new, inputs + checks, work.workers, options.seed, new_rows)
    print(f"{len(pieces_of(old)):,} -> {len(pieces_of(new)):,} pieces in {output}")


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = build_parser().parse_args(argv)
    options, work = parsed(ExtendOptions, args), parsed(WorkOptions, args)
    inputs, checks = ([parse_language_file(spec) for spec in specs] for specs in (args.input, args.check))
    extend_vocabulary(args.vocab, inputs, checks, args.output, options, work)
    print_next(f"swcm vocab-prune --vocab {args.output} --input LANG=FILE ... --output DIR")


if __name__ == "__main__":
    run_command(main)
