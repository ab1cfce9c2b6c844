"""Predict the labels of texts with a fine-tuned checkpoint, and write files that can be scored separately.

Writes LANG.predictions and LANG.labels (the true labels) for each language, with one label per line, in the order of
the published file.
"""

import argparse
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from tqdm import tqdm

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.scoring.segment_files import write_output

if TYPE_CHECKING:  # --help does not need torch or fairseq
    import torch

    from swcm_fairseq.tasks.classification_task import MultilingualClassificationTask


def load(path: Path, data: str) -> "tuple[torch.nn.Module, MultilingualClassificationTask]":
    """The model of a checkpoint and its task on a data directory; raises :class:`InputError` for other tasks."""
    if not path.is_file():
        raise InputError(f"--path {path}: no such file; give a checkpoint")
    from fairseq import checkpoint_utils

    from swcm_fairseq import registration  # noqa: F401
    from swcm_fairseq.tasks.classification_task import MultilingualClassificationTask

    overrides = {"data": data, "finetune_from_model": None}
    (model,), _, task = checkpoint_utils.load_model_ensemble_and_task([str(path)], overrides)
    if not isinstance(task, MultilingualClassificationTask):
        raise InputError(
            f"--path {path}: was not trained with --task multilingual_classification; give a checkpoint that was"
        )
    return model, task


def predict(model: "torch.nn.Module", task: "MultilingualClassificationTask", split: str, batch_size: int, device: str):
    """Predicted and true classes of a split, in the order of its file; int64, shapes (examples,)."""
    import torch
    from fairseq import utils

    task.load_dataset(split)
    dataset = task.dataset(split)
    batches = task.get_batch_iterator(dataset, max_sentences=batch_size).next_epoch_itr(shuffle=False)
    predicted, true = np.full((2, len(dataset)), -1)
    for batch in tqdm(batches, desc=split, leave=False, disable=None):
        batch = utils.move_to_cuda(batch) if device == "cuda" else batch
        head = task.cfg.classification_head_name
        with torch.no_grad():
            logits, _ = model(**batch["net_input"], features_only=True, classification_head_name=head)
        ids = batch["id"].cpu().numpy()
        predicted[ids], true[ids] = logits.argmax(dim=1).cpu().numpy(), batch["target"].flatten().cpu().numpy()
    return predicted, true


def by_language(task: "MultilingualClassificationTask", split: str) -> dict[str, str]:
    """Language -> the split that contains its texts."""
    found = task.classification
    if split == "test":
        return found.tests
    return {lang: split for lang, _ in found.splits[split]}


def as_lines(labels: np.ndarray) -> str:
    """The labels, one per line."""
    return "".join(f"{label}\n" for label in labels)


def write_labels(place: Path, predicted: np.ndarray, true: np.ndarray) -> None:
    """Write ``place.predictions`` and ``place.labels``, and print the share of correct predictions."""
    for name, labels in (("predictions", predicted), ("labels", true)):
        write_output(partial(as_lines, labels), place.with_name(f"{place.name}.{name}"))
    print(f"{place}.predictions: {len(true):,} texts, {100 * (predicted == true).mean():.1f}% correct")


def build_parser() -> argparse.ArgumentParser:
    """The command line of ``swcm classify``."""
    parser = command_parser("classify", __doc__)
    parser.add_argument("data", help="data directory written by swcm classification")
    parser.add_argument("--path", type=Path, required=True, metavar="FILE", help="checkpoint, e.g. checkpoint_best.pt")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="directory to write to")
    parser.add_argument(
        "--split", choices=("test", "valid"), default="test", help="texts to classify (default: %(default)s)"
    )
    parser.add_argument("--langs", help="languages to classify, such as bo,zh (default: all in the split)")
    parser.add_argument(
        "--batch-size", type=int, default=32, metavar="N", help="texts at a time (default: %(default)s)"
    )
    parser.add_argument("--cpu", action="store_true", help="do not use a GPU")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Run the command line."""
    args = build_parser().parse_args(argv)
    if args.batch_size < 1:
        raise InputError(f"--batch-size {args.batch_size}: must be at least 1")
    import torch

    model, task = load(args.path, args.data)
    splits = by_language(task, args.split)
    langs = args.langs.split(",") if args.langs else list(splits)
    for lang in langs:
        if lang not in splits:
            raise InputError(
                f"--langs {lang}: {args.data} has no {args.split} data in this language; available: {', '.join(splits)}"
            )
    device = "cuda" if torch.cuda.is_available() and not args.cpu else "cpu"
    model = model.to(device).eval()
    args.output.mkdir(parents=True, exist_ok=True)
    for split in dict.fromkeys(splits[lang] for lang in langs):
        predicted, true = predict(model, task, split, args.batch_size, device)
        languages = task.classification.languages(split)
        for lang in sorted(set(langs) & set(languages)):
            write_labels(args.output / lang, predicted[languages == lang], true[languages == lang])


if __name__ == "__main__":
    run_command(main)
