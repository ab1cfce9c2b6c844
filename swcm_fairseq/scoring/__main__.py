"""``python -m swcm_fairseq.scoring``: scores of any system's output, with the definition of each number."""

import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Sequence
from pathlib import Path

from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.scoring.evaluation import System, build_metrics, evaluate
from swcm_fairseq.scoring.lines import check_lengths, read_lines
from swcm_fairseq.scoring.report import as_json, as_markdown, as_text
from swcm_fairseq.scoring.tokenizers import LANGUAGE_TOKENIZERS, TOKENIZER_NAMES, build_tokenizer

_FORMATS = {"text": as_text, "json": as_json, "markdown": as_markdown}

_EXAMPLES = """examples:
  python -m swcm_fairseq.scoring --ref test.bo --hyp model.bo --lang bo
  python -m swcm_fairseq.scoring --ref test.kk --hyp ours.kk llm.kk --lang kk --format markdown
"""


def build_parser() -> ArgumentParser:
    """The command's options."""
    parser = ArgumentParser(
        prog="python -m swcm_fairseq.scoring",
        description="Score one or several systems: ROUGE-1, -2, -L with tokenizers for Tibetan, Chinese, Uyghur, "
        "Kazakh and Mongolian, sacreBLEU's BLEU and chrF++.",
        epilog=_EXAMPLES,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--ref", type=Path, nargs="+", required=True, metavar="FILE",
                        help="references, one a line; further files are alternative references")  # fmt: skip
    parser.add_argument("--hyp", type=Path, nargs="+", required=True, metavar="FILE",
                        help="hypotheses, one a line; each file is a system, the first the baseline")  # fmt: skip
    parser.add_argument("--lang", required=True, metavar="CODE",
                        help=f"language of the references ({', '.join(LANGUAGE_TOKENIZERS)})")  # fmt: skip
    parser.add_argument("--tokenizer", choices=TOKENIZER_NAMES, help="tokenizer of ROUGE (default: the language's own)")
    parser.add_argument("--sentencepiece-model", type=Path, metavar="FILE",
                        help="the .model file for --tokenizer sentencepiece")  # fmt: skip
    parser.add_argument("--bootstrap", type=int, default=1000, metavar="N",
                        help="resamples for the 95%% intervals, 0 for none (default: %(default)s)")  # fmt: skip
    parser.add_argument("--format", choices=_FORMATS, default="text", help="form of the report (default: %(default)s)")
    parser.add_argument("--output", type=Path, metavar="FILE", help="write the report there (default: to the terminal)")
    return parser


def _system_names(paths: Sequence[Path]) -> list[str]:
    """File names; whole paths where two files have the same name."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else [str(path) for path in paths]


def run(args: Namespace) -> str:
    """The report that ``args`` ask for."""
    tokenizer = build_tokenizer(args.lang, args.tokenizer, args.sentencepiece_model)
    references = [read_lines(path) for path in args.ref]
    hypotheses = [read_lines(path) for path in args.hyp]
    check_lengths(list(zip((*args.ref, *args.hyp), (*references, *hypotheses), strict=True)))
    systems = [System(name, lines) for name, lines in zip(_system_names(args.hyp), hypotheses, strict=True)]
    evaluation = evaluate(systems, references, args.lang, build_metrics(args.lang, tokenizer), args.bootstrap)
    return _FORMATS[args.format](evaluation)


def main(argv: Sequence[str] | None = None) -> None:
    """Parse ``argv``, score, and write the report."""
    args = build_parser().parse_args(argv)
    report = run(args)
    if args.output is None:
        sys.stdout.write(report)
        return
    try:
        args.output.write_text(report, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{args.output}: cannot write the report ({error.strerror})") from error


if __name__ == "__main__":
    run_command(main)
