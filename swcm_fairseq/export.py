"""Make a directory that is all it takes to write: the model, dict.txt and the sentencepiece model.

The checkpoint's optimizer state, about two thirds of it, is left out. XLMSWCMModel.from_pretrained(DIR) loads the
directory, and so do fairseq-generate and --finetune-from-model (DIR/model.pt).
"""

import argparse
import shutil
from pathlib import Path
from typing import Any

from swcm_fairseq.data.vocabulary import DICT_FILE, SENTENCEPIECE_FILE, Vocabulary
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.interop.files import load_pickle, save_pickle
from swcm_fairseq.output_files import check_distinct, whole_directory
from swcm_fairseq.tasks.restored import check_same_pieces

MODEL_FILE = "model.pt"
# What fairseq reads when it generates, or starts another training from the model. The history has no tensors.
_KEPT = ("args", "cfg", "model", "optimizer_history", "task_state")


def stripped(path: Path) -> dict[str, Any]:
    """A checkpoint without what only resuming needs; raises :class:`InputError` if it is none of this task."""
    state = load_pickle(path)
    if not isinstance(state, dict) or any(key not in state for key in _KEPT):
        raise InputError(f"{path}: not a checkpoint of fairseq-train; give one of its checkpoint_*.pt")
    if "langs" not in state["task_state"]:
        raise InputError(f"{path}: was not trained with --task multilingual_denoising_mt; give a checkpoint that was")
    if state["cfg"] is None:  # fairseq cannot build its model
        raise InputError(
            f"{path}: has no options of a training, as what swcm_fairseq.interop.mbart writes; fine-tune from it "
            f"(fairseq-train --finetune-from-model {path}) and export the checkpoint of that"
        )
    return {**{key: state[key] for key in _KEPT}, "extra_state": {}}


def export(checkpoint: Path, output: Path, vocabulary: Path | None = None) -> list[str]:
    """Write the directory.

    Args:
        checkpoint: one that ``fairseq-train`` has written.
        output: directory without a model.
        vocabulary: where ``dict.txt`` and the sentencepiece model are; default: the checkpoint's data directory.

    Returns:
        The model's languages.

    Raises:
        InputError: a file is missing or of another vocabulary, or the directory cannot be written.
    """
    state = stripped(checkpoint)
    directory = vocabulary or Path(str(state["cfg"]["task"]["data"]).split(":")[0])
    for name in (DICT_FILE, SENTENCEPIECE_FILE):
        if not (directory / name).is_file():
            raise InputError(f"{directory / name}: missing; give the directory with the model's vocabulary by --vocab")
    check_same_pieces(state["task_state"], Vocabulary(directory).dictionary.symbols, directory)
    with whole_directory(output, (DICT_FILE, SENTENCEPIECE_FILE, MODEL_FILE)) as partial:
        for name in (DICT_FILE, SENTENCEPIECE_FILE):
            shutil.copyfile(directory / name, partial / name)
        save_pickle(state, partial / MODEL_FILE)
    return list(state["task_state"]["langs"])


def summary(checkpoint: Path, output: Path, langs: list[str]) -> str:
    """What was written, and how to use it."""
    before, after = (path.stat().st_size / 2**20 for path in (checkpoint, output / MODEL_FILE))
    return "\n".join(
        [
            f"checkpoint  {checkpoint}, {before:,.1f} MiB",
            f"written to  {output}: {MODEL_FILE}, {after:,.1f} MiB; {DICT_FILE}; {SENTENCEPIECE_FILE}",
            f"languages   {' '.join(langs)}",
            "",
            "next, in Python:",
            "  from swcm_fairseq.models import XLMSWCMModel",
            f'  model = XLMSWCMModel.from_pretrained("{output}")',
            f'  model.generate(["..."], source_lang="{langs[0]}", target_lang="{langs[-1]}")',
        ]
    )


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m swcm_fairseq.export",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("checkpoint", type=Path, help="written by fairseq-train, e.g. checkpoint_best.pt")
    parser.add_argument("--output", type=Path, required=True, help="directory to write")
    parser.add_argument(
        "--vocab",
        type=Path,
        help=f"directory with {DICT_FILE} and {SENTENCEPIECE_FILE}; default: the data directory that the checkpoint "
        "names",
    )
    return parser


def main() -> None:
    """Export and say what was done."""
    args = parser().parse_args()
    check_distinct([args.checkpoint, args.vocab], [args.output])
    langs = export(args.checkpoint, args.output, args.vocab)
    print(summary(args.checkpoint, args.output, langs))


if __name__ == "__main__":
    run_command(main)
