"""Can fine-tuning start from this checkpoint, and can outputs in these languages be scored? One line if not."""

import argparse

from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.scoring.tokenizers import language_tokenizer
from swcm_fairseq.tasks.restored import read_task_state


def main() -> None:
    """Refuse a checkpoint of another task, which has no symbols and languages, and a language without tokenizer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--start", metavar="CHECKPOINT", help="checkpoint for --finetune-from-model")
    parser.add_argument("--langs", nargs="+", default=[], metavar="LANG", help="languages of the outputs")
    args = parser.parse_args()
    for lang in args.langs:
        language_tokenizer(lang)
    if args.start and "symbols" not in read_task_state(args.start):
        raise InputError(
            f"{args.start}: is not a checkpoint of the task multilingual_denoising_mt; give --start one of the "
            "pretraining recipes, or the directory of an encoder"
        )


if __name__ == "__main__":
    run_command(main)
