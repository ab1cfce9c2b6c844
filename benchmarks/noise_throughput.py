"""Samples and tokens a second that denoising gives the model, here and in fairseq, on the same text in one run.

    python benchmarks/noise_throughput.py DATA_BIN --lang bo

DATA_BIN is a data directory as preprocess.binarize writes it. Both sides read the same memory-mapped text of at most
``--tokens-per-sample`` positions, mask 35% of the words in Poisson(3.5) spans, permute sentences, and collate batches
of the same size, in one process. The rounds alternate between the two and the median of each is reported.
"""

import argparse
import platform
import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from fairseq.data import DenoisingDataset, PrependTokenDataset
from omegaconf import OmegaConf

from swcm_fairseq.data.directory import load_side, load_vocabulary
from swcm_fairseq.data.vocabulary import MASK, add_special_symbols
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.tasks.config import LongDocuments, MultilingualDenoisingMTConfig
from swcm_fairseq.tasks.multilingual_denoising_mt import MultilingualDenoisingMTTask


def fairseq_dataset(data: Path, lang: str, positions: int, seed: int) -> DenoisingDataset:
    """fairseq's denoising with mBART's noise, one sample a text.

    Without the TokenBlockDataset that fairseq's tasks put in between: it does not run with numpy 2.
    """
    dictionary = load_vocabulary(data)
    text = load_side(data, f"{lang}/train", dictionary)
    add_special_symbols(dictionary, [lang])
    if int(text.sizes.max()) + 2 > positions:
        raise InputError(f"{data}: a text takes {text.sizes.max() + 2} positions; give that --tokens-per-sample")
    framed = PrependTokenDataset(text, dictionary.bos())
    starts = torch.tensor([s.startswith("▁") or i < dictionary.nspecial for i, s in enumerate(dictionary.symbols)])
    return DenoisingDataset(
        framed,
        framed.sizes,
        dictionary,
        dictionary.index(MASK),
        mask_whole_words=starts.byte(),
        shuffle=True,
        seed=seed,
        mask=0.35,
        mask_random=0.0,
        insert=0.0,
        rotate=0.0,
        permute_sentences=1.0,
        bpe="sentencepiece",
        replace_length=1,
        mask_length="span-poisson",
        poisson_lambda=3.5,
    )


def our_dataset(data: Path, lang: str, positions: int, seed: int):
    """The training set of this task."""
    values = {
        "data": str(data),
        "langs": lang,
        "corpora": lang,
        "tokens_per_sample": positions,
        "long_documents": LongDocuments.truncate,
        "seed": seed,
        "train_subset": "train",
        "valid_subset": "valid",
        "update_freq": [1],
    }
    task = MultilingualDenoisingMTTask.setup_task(
        OmegaConf.merge(OmegaConf.structured(MultilingualDenoisingMTConfig), values)
    )
    task.load_dataset("train", epoch=1)
    return task.dataset("train")


def one_round(dataset, epoch: int, samples: int, batch_size: int) -> tuple[float, int]:
    """Seconds for noise and batching of an epoch's first samples, and target tokens made."""
    started = time.perf_counter()
    dataset.set_epoch(epoch)
    indices = dataset.ordered_indices()
    rng = np.random.default_rng(0)
    batches = dataset.batch_by_size(indices, max_sentences=batch_size)
    order = rng.permutation(len(batches))[: max(1, samples // batch_size)]
    tokens = 0
    for number in order:
        batch = dataset.collater([dataset[int(i)] for i in batches[number]])
        tokens += int(batch["ntokens"])
    return time.perf_counter() - started, tokens


def main() -> None:
    """Run both sides and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="data directory of preprocess.binarize")
    parser.add_argument("--lang", default="bo", help="language whose text is used (default: bo)")
    parser.add_argument("--tokens-per-sample", type=int, default=256, help="the most positions (default: 256)")
    parser.add_argument("--batch-size", type=int, default=64, help="samples in a batch (default: 64)")
    parser.add_argument("--samples", type=int, default=20_000, help="samples in a round (default: 20,000)")
    parser.add_argument("--rounds", type=int, default=5, help="rounds of each side (default: 5)")
    args = parser.parse_args()
    sides = {"fairseq": fairseq_dataset, "swcm_fairseq": our_dataset}
    datasets = {name: make(args.data, args.lang, args.tokens_per_sample, seed=1) for name, make in sides.items()}
    results: dict[str, list[tuple[float, int]]] = {name: [] for name in sides}
    for epoch in range(1, args.rounds + 1):
        for name, dataset in datasets.items():
            results[name].append(one_round(dataset, epoch, args.samples, args.batch_size))
            print(f"round {epoch} of {args.rounds}, {name}: {results[name][-1][0]:.2f} s", file=sys.stderr)
    count = len(datasets["swcm_fairseq"])
    mean = datasets["swcm_fairseq"].sizes[:, 1].mean()
    print(f"{args.lang}: {count:,} texts, {mean:.0f} positions on average; {platform.machine()}")
    print(f"{'':14} {'tokens/s':>12} {'ms a batch':>12}")
    speed = {}
    for name, rounds in results.items():
        seconds = statistics.median(seconds for seconds, _ in rounds)
        speed[name] = statistics.median(tokens / seconds for seconds, tokens in rounds)
        batches = max(1, args.samples // args.batch_size)
        print(f"{name:14} {speed[name]:12,.0f} {1000 * seconds / min(batches, -(-count // args.batch_size)):12.2f}")
    print(f"ratio {speed['swcm_fairseq'] / speed['fairseq']:.2f}")


if __name__ == "__main__":
    run_command(main)
