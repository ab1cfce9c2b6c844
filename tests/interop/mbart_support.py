"""A tiny mBART in the published layout: model.pt, dict.txt and, optionally, a sentencepiece model."""

import shutil
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

import torch
from fairseq.data import Dictionary
from fairseq.models.bart.model import BARTModel, mbart_large_architecture

MBART_SIZE = """
    --arch mbart_large --encoder-normalize-before --decoder-normalize-before --encoder-layers 2 --decoder-layers 2
    --encoder-embed-dim 16 --decoder-embed-dim 16 --encoder-ffn-embed-dim 32 --decoder-ffn-embed-dim 32
    --encoder-attention-heads 2 --decoder-attention-heads 2
""".split()


def dictionary_of(symbols: Sequence[str]) -> Dictionary:
    dictionary = Dictionary()
    for symbol in symbols:
        dictionary.add_symbol(symbol)
    return dictionary


def write_mbart(
    directory: Path, pieces: Sequence[str], sentencepiece: Path | None = None, langs: Sequence[str] = ("[kk_KZ]",)
) -> BARTModel:
    """Write mBART; languages and <mask> have rows but no lines in dict.txt, as in mbart.cc25."""
    directory.mkdir(parents=True)
    dictionary_of(pieces).save(str(directory / "dict.txt"))
    dictionary = dictionary_of([*pieces, *langs, "<mask>"])
    args = Namespace(arch="mbart_large", task="multilingual_denoising", max_positions=1024)
    flags = iter(MBART_SIZE[2:])
    for flag in flags:
        value = True if flag.endswith("-before") else int(next(flags))
        setattr(args, flag.removeprefix("--").replace("-", "_"), value)
    mbart_large_architecture(args)
    torch.manual_seed(3)
    model = BARTModel.build_model(args, Namespace(source_dictionary=dictionary, target_dictionary=dictionary))
    state = {"args": args, "model": model.state_dict(), "optimizer_history": [{}], "extra_state": {"epoch": 1}}
    torch.save(state, directory / "model.pt")
    if sentencepiece is not None:
        shutil.copy(sentencepiece, directory / "sentence.bpe.model")
    return model
