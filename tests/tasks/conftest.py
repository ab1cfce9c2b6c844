"""Data directories made on the spot, and the task on top of them."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from fairseq.data import Dictionary
from fairseq.data.indexed_dataset import MMapIndexedDatasetBuilder
from omegaconf import OmegaConf

from swcm_fairseq.data.corpora import Corpora, Corpus, Kind, Split
from swcm_fairseq.data.vocabulary import checksum
from swcm_fairseq.tasks.config import MultilingualDenoisingMTConfig
from swcm_fairseq.tasks.multilingual_denoising_mt import MultilingualDenoisingMTTask

# Fields that the task takes from other parts of fairseq's configuration.
NODES = {
    "valid_subset": "valid",
    "batch_size_valid": 4,
    "save_dir": "nowhere",
    "restore_file": "checkpoint_last.pt",
    "finetune_from_model": None,
}

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
    """Write texts as fairseq-preprocess does, each ended by </s>; returns the tokens written."""
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
    """A data directory with corpora.json: text in bo and zh, zh-bo pairs, and the named pair ti_sum in bo."""
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
                made = Split(*(f"{split}.{corpus.name}.{end}" for end in ends))
                made.target_tokens = write_indexed(directory / made.target, random_texts(samples, longest, seed + 50))
            made.samples = samples
            made.source_tokens = write_indexed(directory / made.source, random_texts(samples, longest, seed))
            corpus.splits[split] = made
    Corpora(checksum(dictionary), len(dictionary), [*corpora, *extra]).write(directory)
    return directory


@pytest.fixture(scope="session")
def data_bin(tmp_path_factory) -> Path:
    return fill(tmp_path_factory.mktemp("data-bin"))


@pytest.fixture()
def make_task(data_bin) -> Callable[..., MultilingualDenoisingMTTask]:
    """The task with some options set, on ``data_bin`` unless told otherwise."""

    def make(data: Path | str | None = None, **options) -> MultilingualDenoisingMTTask:
        values = {
            "data": str(data or data_bin),
            "seed": 1,
            "train_subset": "train",
            "update_freq": [1],
            **NODES,
            **options,
        }
        cfg = OmegaConf.merge(OmegaConf.structured(MultilingualDenoisingMTConfig), values)
        return MultilingualDenoisingMTTask.setup_task(cfg)

    return make


TRAIN = """
    --user-dir swcm_fairseq --task multilingual_denoising_mt --criterion label_smoothed_cross_entropy
    --arch transformer --share-all-embeddings --encoder-layers 1 --decoder-layers 1 --encoder-embed-dim 16
    --decoder-embed-dim 16 --encoder-ffn-embed-dim 32 --decoder-ffn-embed-dim 32 --encoder-attention-heads 2
    --decoder-attention-heads 2 --max-source-positions 256 --max-target-positions 256 --optimizer adam --lr 1e-3
    --lr-scheduler warmup_linear --cpu --log-format json --log-interval 1 --batch-size 16
"""


@pytest.fixture(scope="session")
def run_fairseq(repository) -> Callable[..., subprocess.CompletedProcess]:
    """Run a fairseq command line as its users do, and return what it printed."""

    def run(command: str, *arguments, stdin: str | None = None, ok: bool = True) -> subprocess.CompletedProcess:
        done = subprocess.run(
            [sys.executable, "-m", f"fairseq_cli.{command}", *map(str, arguments)],
            cwd=repository,
            env=environment(repository),
            input=stdin,
            capture_output=True,
            text=True,
        )
        if ok:
            assert done.returncode == 0, done.stderr[-3000:]
        return done

    return run


def environment(repository: Path) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def train_options() -> list[str]:
    """Options of a training that takes seconds."""
    return TRAIN.split()
