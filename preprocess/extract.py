"""Read a corpus in its published form and write text files with one document or pair per line.

Documents are written to PREFIX.LANG; pairs to PREFIX.SRC and PREFIX.TGT; summaries (text -> title) and reading
comprehension (question and passage -> answer) to PREFIX.source and PREFIX.target. Line ends inside a text become
spaces. Records that are damaged or lack a field are left out and counted by reason.
"""

import argparse
from contextlib import ExitStack
from pathlib import Path

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.errors import InputError, exists, run_command
from swcm_fairseq.output_files import LineFiles, check_distinct

from .databin.corpus_specs import Job, corpus_of, parse_languages
from .readers import FORMATS, Format
from .readers.extraction import (
    Extraction,
    ExtractOptions,
    LineMaker,
    check_documents,
    count_paragraphs,
    extract_lines,
    output_paths,
    sides_of,
)
from .readers.records import Use
from .readers.source import Source
from .steps.ledger import RejectsFile
from .steps.schema import add_options, parsed
from .steps.terminal import print_next, print_table
from .steps.work_options import LineWorkOptions
from .text.paragraphs import RepeatedParagraphs
from .text.text_files import check_readable_twice


def build_parser() -> argparse.ArgumentParser:
    """The command line of ``swcm extract``."""
    formats = "\n".join(f"  {name:16} {each.help} [{'/'.join(each.uses)}]" for name, each in FORMATS.items())
    parser = command_parser(
        "extract",
        __doc__,
        f"""formats [uses]:
{formats}

examples:
  swcm extract mc2 --input bo-crawl-only-release-20231112.jsonl --lang bo --output text/mc2
  swcm extract thucnews --input THUCNews.zip --lang zh --use summary --output text/thucnews.train
  swcm extract cmrc2018 --input cmrc2018_dev.json --lang zh --output text/cmrc.valid
  swcm extract jsonl --fields text=content --input news.jsonl.zst --lang ug --output text/ug
""",
    )
    parser.add_argument("format", choices=list(FORMATS), metavar="FORMAT", help="format of the corpus; see below")
    parser.add_argument(
        "--input", nargs="+", required=True, type=Path, metavar="PATH", help="files or folder of the corpus"
    )
    parser.add_argument("--lang", required=True, metavar="LANG|SRC-TGT", help="language, or the two languages of pairs")
    parser.add_argument("--output", required=True, metavar="PREFIX", help="prefix of the files to write")
    parser.add_argument(
        "--use", choices=[str(use) for use in Use], help="what to extract (default: the first use of the format)"
    )
    add_options(parser, ExtractOptions, LineWorkOptions)
    return parser


def extract(
    kind: Format,
    inputs: list[Path],
    langs: tuple[str, ...],
    use: Use,
    prefix: str,
    options: ExtractOptions,
    work: LineWorkOptions,
) -> list[Path]:
    """Read a corpus and write its lines; print how many records were read, kept and left out.

    Args:
        kind: format of the corpus.
        inputs: files or folder of the corpus.
        langs: language of the corpus, or the two languages of pairs.
        use: use of the records, which determines what is extracted.
        prefix: prefix of the files to write.
        options: how to read the corpus.
        work: number of processes, and the file that lists what is left out.

    Returns:
        the files written: one for text, two for pairs.

    Raises:
        InputError: the format does not support ``use``, a file is missing or would be overwritten, or no records are
            left.
    """
    _check_use(kind, use, options, inputs)
    for path in inputs:
        if not exists(path):
            raise InputError(f"{path}: no such file")
    source = Source(inputs, langs, options.fields, options.encoding, options.min_label)
    paths = output_paths(prefix, use, langs)
    check_distinct(inputs, [*paths, work.rejects])
    maker = LineMaker(use, options.all_answers)
    if options.repeated_paragraphs is not None:
        counted = count_paragraphs(kind, source, work.workers)
        maker.repeated = RepeatedParagraphs(counted, options.repeated_paragraphs)
    with ExitStack() as stack:
        output = stack.enter_context(LineFiles(paths))
        rejects = stack.enter_context(RejectsFile(work.rejects))
        counts = extract_lines(kind, source, maker, output, rejects, work.workers)
        rejects.commit()
        if not counts.records.kept:
            raise InputError(f"{inputs[0]}: no records are left ({counts.records.describe()})")
        output.commit()
    _print_counts(paths, counts)
    if maker.repeated:
        print(f"\nleft out of {counts.documents:,} documents: {counts.paragraphs:,} repeated paragraphs")
    return paths


def _check_use(kind: Format, use: Use, options: ExtractOptions, inputs: list[Path]) -> None:
    """Raise :class:`InputError` for a use or an option that the format does not support."""
    if use not in kind.uses:
        raise InputError(f"--use {use}: not supported by {kind.name}; give {' or '.join(kind.uses)}")
    check_documents(kind, options)
    if options.repeated_paragraphs is not None:
        check_readable_twice("--repeated-paragraphs", inputs)


def _print_counts(paths: list[Path], counts: Extraction) -> None:
    ledger = counts.records
    rows = [[" ".join(map(str, paths)), ledger.lines, ledger.kept, ledger.describe()]]
    answers = counts.answers
    print_table(["file", "questions" if answers.lines else "records", "kept", "left out"], rows)
    if answers.lines:
        print()
        print_table(["answers", "kept", "left out"], [[answers.lines, answers.kept, answers.describe()]])


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = build_parser().parse_args(argv)
    kind = FORMATS[args.format]
    use = Use(args.use) if args.use else kind.uses[0]
    langs = parse_languages("--lang", args.lang)
    options, work = parsed(ExtractOptions, args), parsed(LineWorkOptions, args)
    paths = extract(kind, args.input, langs, use, args.output, options, work)
    job = Job(corpus_of(sides_of(use, langs)), "train", [tuple(paths)])
    print_next(f"swcm binarize --vocab VOCAB --output data-bin {job.flag}")


if __name__ == "__main__":
    run_command(main)
