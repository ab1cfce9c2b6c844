"""Data directories for benchmarks: made-up sentences whose pieces are as uneven as those of real text."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from fairseq.data import Dictionary
from fairseq.data.indexed_dataset import MMapIndexedDatasetBuilder

LANGS = ("bo", "kk", "mn", "ug", "zh")


def make_dictionary(vocabulary: int) -> Dictionary:
    """``vocabulary`` symbols, fairseq's four included; every second piece begins a word."""
    dictionary = Dictionary()
    for i in range(vocabulary - len(dictionary)):
        dictionary.add_symbol(f"{'▁' if i % 2 else ''}p{i}")
    return dictionary


def make_texts(dictionary: Dictionary, lengths: Sequence[int], seed: int = 0) -> list[np.ndarray]:
    """Texts of these lengths, int64; piece k has a probability proportional to 1/k."""
    generator = np.random.default_rng(seed)
    weights = 1 / np.arange(1, len(dictionary) - dictionary.nspecial + 1)
    ids = generator.choice(len(weights), sum(lengths), p=weights / weights.sum()) + dictionary.nspecial
    return np.split(ids, np.cumsum(lengths)[:-1])


def write_texts(prefix: Path, texts: Sequence[np.ndarray], dictionary: Dictionary) -> None:
    """``prefix.bin`` and ``prefix.idx`` as fairseq-preprocess writes them."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    builder = MMapIndexedDatasetBuilder(f"{prefix}.bin", dtype=np.int32)
    for text in texts:
        builder.add_item(torch.tensor([*text, dictionary.eos()]))
    builder.finalize(f"{prefix}.idx")


def pretraining_data(directory: Path, vocabulary: int, samples: int, tokens: int) -> None:
    """Text of five languages and pairs of Chinese with the other four, every sentence nearly ``tokens`` long.

    ``samples`` are those of each language's text; of pairs there are a tenth.
    """
    dictionary = make_dictionary(vocabulary)
    directory.mkdir(parents=True, exist_ok=True)
    dictionary.save(str(directory / "dict.txt"))
    room = tokens - 3  # <s>, the language token and </s>
    for seed, lang in enumerate(LANGS):
        write_texts(directory / lang / "train", make_texts(dictionary, [room] * samples, seed), dictionary)
        if lang != "zh":
            pairs = make_texts(dictionary, [room] * max(1, samples // 10), 10 + seed)
            for side in ("zh", lang):
                write_texts(directory / f"train.zh-{lang}.{side}", pairs, dictionary)
