"""Read a corpus as its authors publish it and write text files, a document or pair a line.

Documents become PREFIX.LANG; pairs PREFIX.SRC and PREFIX.TGT; summaries (text -> title) and reading comprehension
(question and passage -> answer) PREFIX.source and PREFIX.target. Line ends inside a text become spaces. Records that
are damaged or lack a field are left out and counted by reason.
"""

import argparse
from contextlib import ExitStack
from pathlib import Path

from tqdm import tqdm

from preprocess.ledger import Ledger, Reject, RejectsFile
from preprocess.outputs import LineFiles
from preprocess.readers import FORMATS, Format
from preprocess.readers.source import Source
from preprocess.records import Use, lines_of
from preprocess.tables import print_table
from preprocess.text import DEFAULT_ENCODING, check_encoding
from swcm_fairseq.data.languages import check_code
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.output_files import check_distinct


def output_paths(prefix: str, use: Use, langs: tuple[str, ...]) -> list[Path]:
    """The files that are written."""
    if use is Use.TEXT:
        return [Path(f"{prefix}.{langs[0]}")]
    sides = langs if use is Use.PAIR and langs[0] != langs[-1] else ("source", "target")
    return [Path(f"{prefix}.{side}") for side in sides]


def extract(
    kind: Format, source: Source, use: Use, output: LineFiles, rejects: RejectsFile, all_answers: bool = False
) -> Ledger:
    """Write the lines of a corpus; returns the counts, in records (or answers)."""
    ledger = Ledger()
    for record in tqdm(kind.read(source), desc=kind.name, unit=" records", leave=False, disable=None):
        found = [record] if isinstance(record, Reject) else list(lines_of(record, use, all_answers))
        left_out = [each for each in found if isinstance(each, Reject)]
        ledger.add(len(found), len(found) - len(left_out), left_out)
        rejects.write(left_out)
        for line in found:
            if not isinstance(line, Reject):
                output.write(line)
    ledger.close()
    return ledger


def parse_fields(text: str) -> dict[str, str]:
    """``text=content,title=headline``."""
    fields = dict(part.partition("=")[::2] for part in text.split(",") if part)
    known = ("text", "title", "source", "target")
    for name, value in fields.items():
        if name not in known or not value:
            raise InputError(f"--fields {text}: expected NAME=FIELD,... with NAME one of {', '.join(known)}")
    return fields


def make_parser() -> argparse.ArgumentParser:
    """The command line of ``python -m preprocess.extract``."""
    formats = "\n".join(f"  {name:16} {each.help} [{'/'.join(each.uses)}]" for name, each in FORMATS.items())
    parser = argparse.ArgumentParser(
        prog="python -m preprocess.extract",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        epilog=f"""formats [uses]:
{formats}

examples:
  python -m preprocess.extract mc2 --input bo-crawl-only-release-20231112.jsonl --lang bo --output text/mc2
  python -m preprocess.extract thucnews --input THUCNews.zip --lang zh --use summary --output text/thucnews.train
  python -m preprocess.extract cmrc2018 --input cmrc2018_dev.json --lang zh --output text/cmrc.valid
  python -m preprocess.extract jsonl --fields text=content --input news.jsonl.zst --lang ug --output text/ug
""",
    )
    parser.add_argument("format", choices=list(FORMATS), metavar="FORMAT", help="how the corpus is written, see below")
    parser.add_argument("--input", nargs="+", required=True, type=Path, metavar="PATH", help="its files, or folder")
    parser.add_argument("--lang", required=True, metavar="LANG|SRC-TGT", help="its language; two for pairs")
    parser.add_argument("--output", required=True, metavar="PREFIX", help="of the files to write")
    parser.add_argument(
        "--use", choices=[str(use) for use in Use], help="what to make of it (default: the first of the format)"
    )
    parser.add_argument("--fields", default="", metavar="NAME=FIELD,...", help="names of JSON fields or CSV columns")
    parser.add_argument("--encoding", default=DEFAULT_ENCODING, metavar="NAME", help="of its text (default: utf-8)")
    parser.add_argument("--min-label", type=int, default=0, metavar="N", help="lcsts: least human_label (usual: 3)")
    parser.add_argument("--all-answers", action="store_true", help="a line for each answer, not for the first alone")
    parser.add_argument("--rejects", type=Path, metavar="FILE", help="write FILE:LINE:REASON of every record left out")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = make_parser().parse_args(argv)
    kind = FORMATS[args.format]
    use = Use(args.use) if args.use else kind.uses[0]
    if use not in kind.uses:
        raise InputError(f"--use {use}: {kind.name} gives {' or '.join(kind.uses)}")
    for path in args.input:
        if not path.exists():
            raise InputError(f"{path}: no such file")
    langs = tuple(map(check_code, args.lang.split("-")))
    source = Source(args.input, langs, parse_fields(args.fields), check_encoding(args.encoding), args.min_label)
    paths = output_paths(args.output, use, langs)
    check_distinct(args.input, [*paths, args.rejects])
    with ExitStack() as stack:
        output = stack.enter_context(LineFiles(paths))
        rejects = stack.enter_context(RejectsFile(args.rejects))
        ledger = extract(kind, source, use, output, rejects, args.all_answers)
        rejects.commit()
        if not ledger.kept:
            raise InputError(f"{args.input[0]}: no record is left ({ledger.describe()})")
        output.commit()
    rows = [[" ".join(map(str, paths)), ledger.lines, ledger.kept, ledger.describe()]]
    print_table(["file", "records", "kept", "left out"], rows)
    print(
        f"\nnext: python -m preprocess.binarize --vocab VOCAB --output data-bin {_binarize_flag(use, args.lang, paths)}"
    )


def _binarize_flag(use: Use, lang: str, paths: list[Path]) -> str:
    if use is Use.TEXT:
        return f"--mono {lang}:train={paths[0]}"
    langs = lang if use is Use.PAIR else f"{lang}-{lang}:NAME"
    return f"--pair {langs}:train={paths[0]},{paths[1]}"


if __name__ == "__main__":
    run_command(main)
