"""Compare the denoising of this project with that of fairseq, in tokens per second on the same text in one run.

    python benchmarks/noise_throughput.py                         # made-up text
    python benchmarks/noise_throughput.py --data DATA_BIN --lang bo --tokens-per-sample 512

DATA_BIN is a data directory written by swcm binarize. Both contestants read the same memory-mapped text of at most
``--tokens-per-sample`` positions, mask 35% of the words in Poisson(3.5) spans, permute sentences, and collate batches
of the same size. Each turn runs in a separate process. fairseq runs without the TokenBlockDataset that its tasks
insert, because that does not work with numpy 2, and it permutes no sentences, because it looks for ``</s>`` in the
text. Both make it faster than in actual use.
"""

import argparse
import tempfile
from functools import partial
from pathlib import Path

import made_up_data
import measure
import numpy as np
import torch
from fairseq.data import DenoisingDataset, PrependTokenDataset
from omegaconf import OmegaConf

from swcm_fairseq.data.dictionary import MultilingualDictionary
from swcm_fairseq.data.directory import load_vocabulary
from swcm_fairseq.data.indexed_sides import load_side
from swcm_fairseq.data.vocabulary import MASK, add_special_symbols
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.tasks.multilingual_denoising_mt import MultilingualDenoisingMTTask
from swcm_fairseq.tasks.task_config import LongDocuments, MultilingualDenoisingMTConfig

OURS, FAIRSEQ = "ours", "stock fairseq"


def fairseq_dataset(data: Path, lang: str, positions: int, seed: int) -> DenoisingDataset:
    """fairseq's denoising with mBART's noise, one sample per text.

    The TokenBlockDataset that fairseq's tasks insert is omitted, because it does not work with numpy 2.
    """
    dictionary = MultilingualDictionary.of(load_vocabulary(data))
    text = load_side(data, f"{lang}/train", dictionary)
    add_special_symbols(dictionary, [lang])
    if int(text.sizes.max()) + 2 > positions:
        raise InputError(f"{data}: has a text of {text.sizes.max() + 2} positions; raise --tokens-per-sample to that")
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
    """The training set of our task."""
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


SIDES = {OURS: our_dataset, FAIRSEQ: fairseq_dataset}


def one_turn(name: str, options: argparse.Namespace, data: Path) -> dict[str, float]:
    """The seconds for noising and batching the first samples of an epoch, and the batches and target tokens in them."""
    dataset = SIDES[name](data, options.lang, options.tokens_per_sample, seed=1)
    result = {"batches": 0, "tokens": 0}

    def make_batches() -> None:
        dataset.set_epoch(1)
        batches = dataset.batch_by_size(dataset.ordered_indices(), max_sentences=options.batch_size)
        order = np.random.default_rng(0).permutation(len(batches))[: max(1, options.samples // options.batch_size)]
        for number in order:
            batch = dataset.collater([dataset[int(i)] for i in batches[number]])
            result["tokens"] += int(batch["ntokens"])
        result["batches"] = len(order)

    return {"seconds": measure.seconds(make_batches, "cpu"), **result}


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = measure.build_parser(__doc__, rounds=5)
    parser.add_argument("--data", type=Path, metavar="DIR", help="data directory instead of made-up text")
    parser.add_argument("--lang", default="bo", help="language of the text (default: bo)")
    measure.add_numbers(
        parser,
        """
        vocabulary         30_000  number of symbols of made-up text
        tokens_per_sample     256  maximum positions per sample
        batch_size             64  samples per batch
        samples             4_000  samples per turn
        """,
    )
    return parser


def make_report(options: argparse.Namespace, turns: dict[str, list[dict[str, float]]]) -> measure.Report:
    """The table and the ratio."""
    speeds = {name: [turn["tokens"] / turn["seconds"] for turn in rounds] for name, rounds in turns.items()}
    rows = [
        [name, measure.spread(speeds[name], 0), measure.spread([1000 * t["seconds"] / t["batches"] for t in rounds])]
        for name, rounds in turns.items()
    ]
    sizes = f"at most {options.tokens_per_sample} positions, batches of {options.batch_size}"
    rounds = f"{options.rounds} rounds of {options.samples:,} samples; median (range); seconds of processor time"
    return measure.Report(
        title="Noise and batching compared with fairseq's DenoisingDataset",
        device="cpu",
        settings=[f"{options.lang}, {measure.text_of(options)}, {sizes}", rounds],
        headers=["", "target tokens/s", "ms per batch"],
        rows=rows,
        ratios=[measure.Ratio.of("tokens/s, ours / stock fairseq", speeds[OURS], speeds[FAIRSEQ])],
        raw=turns,
    )


def main() -> None:
    """Measure and write the report."""
    options = build_parser().parse_args()
    torch.set_num_threads(options.threads)
    with tempfile.TemporaryDirectory() as folder:
        if options.data is None:
            made_up_data.pretraining_data(Path(folder), options.vocabulary, options.samples, options.tokens_per_sample)
        data = options.data or Path(folder)
        turns = measure.alternate(
            options.rounds, {name: partial(measure.apart, one_turn, name, options, data) for name in SIDES}
        )
    make_report(options, turns).write(options.output, options.note)


if __name__ == "__main__":
    run_command(main)
