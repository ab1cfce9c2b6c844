"""Measure padding and its cost in the batches of an epoch, sorted by target length only or as the task sorts.

    python benchmarks/padding.py                                  # made-up documents, pairs and titles
    python benchmarks/padding.py --data DATA_BIN                  # a data directory

Every sample includes noise, so sources have the same lengths as in training. The cost of the matrix products is that of
the base model: GFLOP per source position in the encoder, per target position in the decoder, and per target word in the
output matrix, which never processes padding.
"""

import argparse
import tempfile
from pathlib import Path

import made_up_data
import measure
import numpy as np
from omegaconf import OmegaConf
from tqdm import tqdm

from swcm_fairseq.data.mixed_dataset import padding_shares
from swcm_fairseq.data.multilingual_dataset import MultilingualDataset
from swcm_fairseq.errors import run_command
from swcm_fairseq.tasks.multilingual_denoising_mt import MultilingualDenoisingMTTask
from swcm_fairseq.tasks.task_config import MultilingualDenoisingMTConfig

ENCODER, DECODER, OUTPUT = 0.51, 1.25, 0.62  # GFLOP per step, forward and backward
ORDERS = ("by target", "ours")


def load(options: argparse.Namespace, data: Path) -> MultilingualDataset:
    """The training set of the first epoch."""
    values = {"data": str(data), "tokens_per_sample": options.tokens_per_sample, "seed": 1, "update_freq": [1]}
    values |= {"train_subset": "train", "valid_subset": "valid", "samples_per_epoch": options.samples}
    cfg = OmegaConf.merge(OmegaConf.structured(MultilingualDenoisingMTConfig), values)
    task = MultilingualDenoisingMTTask.setup_task(cfg)
    task.load_dataset("train", epoch=1)
    return task.dataset("train")


def batches(dataset: MultilingualDataset, order: str, batch_size: int) -> list[np.ndarray]:
    """The batches of the epoch."""
    indices = dataset.ordered_indices()
    if order == "by target":
        indices = np.lexsort((dataset.sizes[:, 0], dataset.sizes[:, 1]))
    return dataset.batch_by_size(indices, max_sentences=batch_size)


def work_lost(sizes: np.ndarray, source: float, target: float) -> float:
    """The share of the matrix products that is spent on padding."""
    sources, targets = sizes.sum(axis=0)
    real = (ENCODER * sources + DECODER * targets) + OUTPUT * targets
    return 1 - real / (ENCODER * sources / (1 - source) + DECODER * targets / (1 - target) + OUTPUT * targets)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = measure.build_parser(__doc__, rounds=1)
    parser.add_argument("--data", type=Path, metavar="DIR", help="data directory instead of made-up text")
    measure.add_numbers(
        parser,
        """
        tokens_per_sample     256  maximum positions per sample
        batch_size             75  samples per batch
        samples            20_000  samples per epoch
        """,
    )
    return parser


def main() -> None:
    """Create the samples, form batches in both ways, and write the report."""
    options = build_parser().parse_args()
    with tempfile.TemporaryDirectory() as folder:
        if options.data is None:
            made_up_data.document_data(Path(folder), options.samples // 4)
        dataset = load(options, options.data or Path(folder))
        made = (dataset[i] for i in tqdm(range(len(dataset)), disable=None))
        sizes = np.array([[len(sample["source"]), len(sample["target"])] for sample in made])
        shares = {name: padding_shares(sizes, batches(dataset, name, options.batch_size)) for name in ORDERS}
    lost = {name: work_lost(sizes, *shares[name]) for name in ORDERS}
    rows = [[name, *(f"{share:.1%}" for share in shares[name]), f"{lost[name]:.1%}"] for name in ORDERS]
    measure.Report(
        title="Padding in batches",
        device="cpu",
        settings=[
            f"{options.data.name if options.data else 'made-up documents, translations, titles'}, {len(sizes):,} "
            f"samples of at most {options.tokens_per_sample} positions, batches of {options.batch_size}",
        ],
        headers=[
            "batches",
            "padding in source positions",
            "padding in target positions",
            "matrix products spent on padding",
        ],
        rows=rows,
        ratios=[measure.Ratio("share of matrix products spent on padding, ours", [lost["ours"]], at_most=0.05)],
        raw={"shares": shares, "work": lost},
    ).write(options.output, options.note)


if __name__ == "__main__":
    run_command(main)
