"""Can fine-tuning start from this checkpoint, and can outputs in these languages be tested? One line if not."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from swcm_fairseq.data.corpora import Kind
from swcm_fairseq.data.directory import find_corpora
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.scoring.tokenizers import language_tokenizer


def check_pairs(directory: Path, langs: Sequence[str], splits: Sequence[str]) -> None:
    """Refuse a language without pairs within it, such as article and title, in one of the splits."""
    pairs = [corpus for corpus in find_corpora(directory) if corpus.kind is Kind.PAIR]
    for split in splits:
        have = sorted({c.source_lang for c in pairs if c.source_lang == c.target_lang and split in c.splits})
        for lang in langs:
            if lang not in have:
                raise InputError(
                    f"{directory}: has no {split} pairs in {lang}, only in {', '.join(have) or 'no language'}; "
                    "choose other languages or add data"
                )


def main(argv: list[str] | None = None) -> None:
    """Refuse a checkpoint of another task, which has no symbols, and a language without tokenizer or data."""
    parser = argparse.ArgumentParser(prog="swcm check-start", description=__doc__)
    parser.add_argument("--start", metavar="CHECKPOINT", help="checkpoint for --finetune-from-model")
    parser.add_argument("--langs", nargs="+", default=[], metavar="LANG", help="languages of the outputs")
    parser.add_argument(
        "--pairs", type=Path, metavar="DIR", help="data directory with validation and test pairs in LANG"
    )
    args = parser.parse_args(argv)
    for lang in args.langs:
        language_tokenizer(lang)
    if args.pairs:
        check_pairs(args.pairs, args.langs, ("valid", "test"))
    if args.start is None:
        return
    from swcm_fairseq.tasks.restored import read_task_state  # torch, which the rest does without

    if "symbols" not in read_task_state(args.start):
        raise InputError(
            f"{args.start}: is not a checkpoint of the task multilingual_denoising_mt; give --start one of the "
            "pretraining recipes, or the directory of an encoder"
        )


if __name__ == "__main__":
    run_command(main)
