"""``swcm score``: score the output of any system and define each number."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.scoring.evaluation import (
    OFFLINE_BLEU_TOKENIZERS,
    Evaluation,
    System,
    evaluate,
    evaluate_labels,
)
from swcm_fairseq.scoring.inputs import add_input_options, check_output, read_inputs
from swcm_fairseq.scoring.score_report import as_json, as_markdown, as_text
from swcm_fairseq.scoring.segment_files import write_output
from swcm_fairseq.scoring.tokenizers import TOKENIZER_NAMES, build_tokenizer, known_languages

_FORMATS = {"text": as_text, "json": as_json, "markdown": as_markdown}

_EXAMPLES = """examples:
  swcm score --ref test.bo --hyp model.bo --lang bo
  swcm score --ref test.kk --hyp ours.kk llm.kk --lang kk --format markdown
  swcm score --labels --ref test.labels --hyp ours.predictions theirs.predictions
  swcm score --generated results/generate-test.txt --lang bo --format json

To read the outputs themselves: swcm samples --help
"""


def count(text: str) -> int:
    """Parse the value of an option that counts something: 0 or more."""
    value = int(text)
    if value < 0:
        raise ValueError(text)
    return value


def build_parser() -> ArgumentParser:
    """The command line of ``swcm score``."""
    parser = command_parser(
        "score",
        "Score one or several systems against references: ROUGE-L, -1, -2 (F1, precision, recall) with\n"
        "tokenizers for Tibetan, Chinese, Uyghur, Kazakh and Mongolian; sacreBLEU's BLEU and chrF++; and the\n"
        "share of outputs in the requested language. The report contains bootstrap intervals, tests of the\n"
        "difference from the first system, and a signature for each number.",
        epilog=_EXAMPLES,
    )
    add_input_options(parser)
    languages = ", ".join(known_languages())
    add = parser.add_argument
    add("--lang", metavar="CODE", help=f"language of the references ({languages}; also kk_arab)")
    add(
        "--labels",
        nargs="?",
        const="",
        metavar="LABEL,...",
        help="lines are labels: report accuracy, macro-F1 and weighted F1 instead; LABEL,... are the allowed labels "
        "(default: the labels in the references)",
    )
    add("--tokenizer", choices=TOKENIZER_NAMES, help="tokenizer for ROUGE (default: the language's own)")
    add("--sentencepiece-model", type=Path, metavar="FILE", help="the .model file for --tokenizer sentencepiece")
    add(
        "--bleu-tokenizer",
        choices=OFFLINE_BLEU_TOKENIZERS,
        help="tokenizer for sacreBLEU's BLEU (default: zh for zh, char for bo, 13a for en, otherwise intl)",
    )
    add(
        "--lowercase",
        action="store_true",
        help="compute BLEU and chrF++ on lower-cased text (chrF++ as in MiLiC-Eval); the signature contains case:lc",
    )
    add(
        "--bootstrap",
        type=count,
        default=1000,
        metavar="N",
        help="resamples for the 95%% intervals, 0 for none (default: %(default)s)",
    )
    add(
        "--trials",
        type=count,
        default=10_000,
        metavar="N",
        help="random swaps for the p-values of the other systems, 0 for none (default: %(default)s)",
    )
    add("--format", choices=_FORMATS, default="text", help="format of the report (default: %(default)s)")
    add("--output", type=Path, metavar="FILE", help="write the report to FILE (default: to the terminal)")
    return parser


def run(args: Namespace) -> str:
    """The report that ``args`` requests."""
    if args.hyp and not args.ref:
        raise InputError("--hyp needs references: add --ref FILE")
    if args.labels is not None:
        return _FORMATS[args.format](run_labels(args))
    if args.lang is None:
        raise InputError("--lang is missing: give the language of the references, such as bo")
    tokenizer = build_tokenizer(args.lang, args.tokenizer, args.sentencepiece_model)
    inputs = read_inputs(args)
    evaluation = evaluate(
        inputs.systems,
        inputs.references,
        args.lang,
        tokenizer,
        args.bleu_tokenizer,
        args.bootstrap,
        args.trials,
        args.lowercase,
    )
    return _FORMATS[args.format](evaluation)


def run_labels(args: Namespace) -> Evaluation:
    """The evaluation for ``--labels``; raises :class:`InputError` for a blank line or a label that is not allowed."""
    if not args.hyp or len(args.ref) != 1:
        raise InputError("--labels needs one file of references and files of predictions: --ref FILE --hyp FILE ...")
    inputs = read_inputs(args)
    references = [line.strip() for line in inputs.references[0]]
    systems = [System(system.name, [line.strip() for line in system.hypotheses]) for system in inputs.systems]
    allowed = {label.strip() for label in args.labels.split(",")} if args.labels else set(references)
    for path, lines in zip((*args.ref, *args.hyp), (references, *(each.hypotheses for each in systems)), strict=True):
        check_labels(path, lines, allowed)
    return evaluate_labels(systems, references, args.lang or "not given", args.bootstrap, args.trials)


def check_labels(path: Path, lines: Sequence[str], allowed: set[str]) -> None:
    """Raise :class:`InputError` with file and line number if a line is not an allowed label."""
    for number, label in enumerate(lines, start=1):
        if not label:
            raise InputError(f"{path}:{number}: blank line; write one label per line")
        if label not in allowed:
            known = ", ".join(sorted(allowed - {""}))
            raise InputError(
                f"{path}:{number}: unknown label {label!r}; known labels are {known}; add others with --labels"
            )


def main(argv: Sequence[str] | None = None) -> None:
    """Parse ``argv``, score, and write the report."""
    args = build_parser().parse_args(argv)
    check_output(args)
    write_output(lambda: run(args), args.output)


if __name__ == "__main__":
    run_command(main)
