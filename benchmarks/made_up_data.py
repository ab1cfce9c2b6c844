"""Data directories for benchmarks: made-up sentences whose pieces are distributed as in real text."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from fairseq.data import Dictionary
from fairseq.data.indexed_dataset import MMapIndexedDatasetBuilder

from swcm_fairseq.data.languages import DEFAULT_LANGS


def make_dictionary(vocabulary: int) -> Dictionary:
    """``vocabulary`` symbols, including fairseq's four; every second piece begins a word."""
    dictionary = Dictionary()
    for i in range(vocabulary - len(dictionary)):
        dictionary.add_symbol(f"{'▁' if i % 2 else ''}p{i}")
    return dictionary


def make_texts(dictionary: Dictionary, lengths: Sequence[int] | np.ndarray, seed: int = 0) -> list[np.ndarray]:
    """Texts with these lengths, int64, in which piece k has a probability proportional to 1/k."""
    generator = np.random.default_rng(seed)
    weights = 1 / np.arange(1, len(dictionary) - dictionary.nspecial + 1)
    ids = generator.choice(len(weights), sum(lengths), p=weights / weights.sum()) + dictionary.nspecial
    return np.split(ids, np.cumsum(lengths)[:-1])


def write_texts(prefix: Path, texts: Sequence[np.ndarray], dictionary: Dictionary) -> None:
    """Write ``prefix.bin`` and ``prefix.idx`` in the format of fairseq-preprocess."""
    prefix.parent.mkdir(parents=True, exist_ok=True)
    builder = MMapIndexedDatasetBuilder(f"{prefix}.bin", dtype=np.int32)
    for text in texts:
        builder.add_item(torch.tensor([*text, dictionary.eos()]))
    builder.finalize(f"{prefix}.idx")


def pretraining_data(directory: Path, vocabulary: int, samples: int, tokens: int) -> None:
    """Write text in five languages and pairs of Chinese with the other four, with about ``tokens`` tokens per sentence.

    ``samples`` is the number of texts per language; there are a tenth as many pairs.
    """
    dictionary = make_dictionary(vocabulary)
    directory.mkdir(parents=True, exist_ok=True)
    dictionary.save(str(directory / "dict.txt"))
    room = tokens - 3  # <s>, the language token and </s>
    for seed, lang in enumerate(DEFAULT_LANGS):
        write_texts(directory / lang / "train", make_texts(dictionary, [room] * samples, seed), dictionary)
        if lang != "zh":
            pairs = make_texts(dictionary, [room] * max(1, samples // 10), 10 + seed)
            for side in ("zh", lang):
                write_texts(directory / f"train.zh-{lang}.{side}", pairs, dictionary)


def document_data(directory: Path, samples: int) -> None:
    """Write documents in five languages and pairs of Chinese with the other four, half of them articles with titles.

    Lengths vary as in real text. ``samples`` is the number of documents per language; there are half as many pairs.
    """
    dictionary = make_dictionary(1_000)
    directory.mkdir(parents=True, exist_ok=True)
    dictionary.save(str(directory / "dict.txt"))
    generator, number = np.random.default_rng(0), max(1, samples // 4)

    def lengths(mean: float, spread: float, number: int) -> np.ndarray:
        return np.clip(generator.lognormal(mean, spread, number), 1, 250).astype(int)

    for seed, lang in enumerate(DEFAULT_LANGS):
        write_texts(directory / lang / "train", make_texts(dictionary, lengths(5.0, 0.8, samples), seed), dictionary)
        if lang == "zh":
            continue
        sentences = lengths(3.4, 0.6, number)
        translated = np.clip(sentences * generator.lognormal(0, 0.25, number), 1, 250).astype(int)
        source = [*sentences, *lengths(5.5, 0.7, number)]
        target = [*translated, *lengths(2.7, 0.4, number)]
        for side, texts in (("zh", source), (lang, target)):
            made = make_texts(dictionary, texts, 10 + 2 * seed + (side == "zh"))
            write_texts(directory / f"train.zh-{lang}.{side}", made, dictionary)
