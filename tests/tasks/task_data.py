"""Generated data directories."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from fairseq.data import Dictionary
from fairseq.data.indexed_dataset import MMapIndexedDatasetBuilder

from swcm_fairseq.data.corpora import Corpora, Corpus, Kind, Split
from swcm_fairseq.data.vocabulary import checksum

PIECES = [
    *("▁" + letter for letter in "abcdefghijklmnop"),
    *"qrstuvwxyz",
    "▁",
    *("。", ".", "!", "།", "་", "▁།", "؟"),
]


def write_dictionary(path: Path, pieces: Sequence[str] = PIECES) -> Dictionary:
    dictionary = Dictionary()
    for piece in pieces:
        dictionary.add_symbol(piece)
    path.parent.mkdir(parents=True, exist_ok=True)
    dictionary.save(str(path))
    return dictionary


def write_indexed(prefix: Path, texts: Sequence[Sequence[int]], eos: int = 2) -> int:
    """Write texts like fairseq-preprocess, each followed by </s>; return the number of tokens written."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    builder = MMapIndexedDatasetBuilder(f"{prefix}.bin", dtype=np.uint16)
    for text in texts:
        builder.add_item(torch.tensor([*text, eos], dtype=torch.long))
    builder.finalize(f"{prefix}.idx")
    return sum(len(text) + 1 for text in texts)


def random_texts(number: int, longest: int, seed: int, vocabulary: int = len(PIECES)) -> list[list[int]]:
    rng = np.random.default_rng(seed)
    return [rng.integers(4, 4 + vocabulary, int(rng.integers(1, longest + 1))).tolist() for _ in range(number)]


def fill(directory: Path, train: int = 40, longest: int = 20, extra: Sequence[Corpus] = ()) -> Path:
    """Write a data directory with corpora.json: text in bo and zh, zh-bo pairs, and the pairs ti_sum within bo."""
    dictionary = write_dictionary(directory / "dict.txt")
    corpora = [
        Corpus("bo", Kind.MONO, "bo", "bo"),
        Corpus("zh", Kind.MONO, "zh", "zh"),
        Corpus("zh-bo", Kind.PAIR, "zh", "bo"),
        Corpus("ti_sum", Kind.PAIR, "bo", "bo"),
    ]
    for number, corpus in enumerate([*corpora, *extra]):
        for offset, (split, samples) in enumerate({"train": train * (number + 1), "valid": 6, "test": 5}.items()):
            seed = 100 * number + offset
            if corpus.kind is Kind.MONO:
                made = Split(source=f"{corpus.name}/{split}")
            else:
                shared = corpus.source_lang == corpus.target_lang
                ends = ("source", "target") if shared else (corpus.source_lang, corpus.target_lang)
                source, target = (f"{split}.{corpus.name}.{end}" for end in ends)
                made = Split(source, target)
                made.target_tokens = write_indexed(directory / target, random_texts(samples, longest, seed + 50))
            made.samples = samples
            made.source_tokens = write_indexed(directory / made.source, random_texts(samples, longest, seed))
            corpus.splits[split] = made
    Corpora(checksum(dictionary), len(dictionary), [*corpora, *extra]).write(directory)
    return directory
