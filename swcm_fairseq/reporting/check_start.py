"""Check that fine-tuning can start from a checkpoint and that outputs in the given languages can be scored."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.data.corpora import Kind
from swcm_fairseq.data.directory import find_corpora
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.scoring.tokenizers import language_tokenizer


def check_pairs(directory: Path, langs: Sequence[str], splits: Sequence[str]) -> None:
    """Raise :class:`InputError` if a split has no pairs within a language, such as article and title."""
    pairs = [corpus for corpus in find_corpora(directory) if corpus.kind is Kind.PAIR]
    for split in splits:
        have = sorted({c.source_lang for c in pairs if c.source_lang == c.target_lang and split in c.splits})
        for lang in langs:
            if lang not in have:
                raise InputError(
                    f"{directory}: has no {split} pairs in {lang}, only in {', '.join(have) or 'no language'}; "
                    "choose other languages or add data"
                )


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("check-start", __doc__)
    parser.add_argument("--start", metavar="CHECKPOINT", help="checkpoint for --finetune-from-model")
    parser.add_argument("--langs", nargs="+", default=[], metavar="LANG", help="languages of the outputs")
    parser.add_argument(
        "--pairs", type=Path, metavar="DIR", help="data directory with validation and test pairs in LANG"
    )
    return parser


def main(argv: list[str] | None = None) -> None:
    """Refuse a checkpoint of another task, which lacks the task's symbols, and languages without tokenizer or data."""
    args = build_parser().parse_args(argv)
    for lang in args.langs:
        language_tokenizer(lang)
    if args.pairs:
        check_pairs(args.pairs, args.langs, ("valid", "test"))
    if args.start is None:
        return
    from swcm_fairseq.tasks.restored import read_task_state  # imports torch, which the other checks do not need

    if "symbols" not in read_task_state(args.start):
        raise InputError(
            f"{args.start}: not a checkpoint of the task multilingual_denoising_mt; give --start a checkpoint of a "
            "pretraining recipe, or the directory of an encoder"
        )


if __name__ == "__main__":
    run_command(main)
