"""Convert an mBART checkpoint to another vocabulary, so that training can continue in this project's task.

Embedding rows follow their pieces. Rows of new pieces and of the language tokens <bo>, <kk>, ... are drawn from
N(0, 0.02), as in XLM-SWCM. All other tensors are unchanged. MBART_DIR is the published directory of mBART (mbart.cc25):
model.pt, dict.txt and sentence.bpe.model.
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.data.languages import DEFAULT_LANGS
from swcm_fairseq.data.piece_list import PieceList
from swcm_fairseq.data.vocabulary import DICT_FILE, MASK, add_special_symbols, load_dictionary
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.interop.encoder_files import FAIRSEQ_MODEL
from swcm_fairseq.interop.row_plans import INIT_STD
from swcm_fairseq.output_files import check_distinct, whole_file

if TYPE_CHECKING:  # --help does not import torch
    from torch import Tensor

SENTENCEPIECE_FILES = ("sentence.bpe.model", "sentencepiece.bpe.model")
SHARED_TABLE = "encoder.embed_tokens.weight"
HALVES = ("encoder", "decoder")


@dataclass
class MBart:
    """An mBART checkpoint.

    Attributes:
        path: directory of the checkpoint.
        tensors: float32 tensors under fairseq's names.
        symbols: symbol of every embedding row.
    """

    path: Path
    tensors: dict[str, "Tensor"]
    symbols: list[str]

    @property
    def sentencepiece(self) -> Path:
        """The sentencepiece model next to the checkpoint."""
        places = [self.path / name for name in SENTENCEPIECE_FILES]
        return next((place for place in places if place.is_file()), places[0])


def read_mbart(directory: Path) -> MBart:
    """Read a checkpoint of fairseq's mBART and its dictionary.

    Raises:
        InputError: the checkpoint is missing, its embeddings are not shared, or the dictionary belongs to another
            model.
    """
    if not directory.is_dir():
        raise InputError(f"{directory}: no such directory; give the one with mBART's {FAIRSEQ_MODEL} and {DICT_FILE}")
    import torch

    from swcm_fairseq.interop.files import load_pickle

    path = directory / FAIRSEQ_MODEL
    state = load_pickle(path)
    model: dict[str, Tensor] = state.get("model", {}) if isinstance(state, dict) else {}
    wanted = {SHARED_TABLE, *(f"{half}.layers.0.fc1.weight" for half in HALVES)}
    if (
        not (isinstance(model, dict) and wanted <= model.keys())
        or not all(map(_is_tensor, model.items()))
        or any(model[name].dim() != 2 for name in wanted)
    ):
        raise InputError(f"{path}: not a checkpoint of a fairseq encoder-decoder; give one such as mbart.cc25")
    tensors = {name: tensor.to(torch.float32) for name, tensor in model.items()}
    for name in token_tables(tensors):
        if not torch.equal(tensors[name], tensors[SHARED_TABLE]):
            raise InputError(f"{path}: {name} differs from {SHARED_TABLE}; only shared embeddings can be carried over")
    return MBart(directory, tensors, _symbols(directory / DICT_FILE, tensors[SHARED_TABLE].size(0)))


def _is_tensor(item: tuple[object, object]) -> bool:
    """Whether an item of a state dict is a name and a tensor of finite numbers."""
    import torch
    from torch import Tensor

    name, tensor = item
    return isinstance(name, str) and isinstance(tensor, Tensor) and bool(torch.isfinite(tensor).all())


def _symbols(path: Path, rows: int) -> list[str]:
    """``dict.txt``, then the languages in an order that no file records, then ``<mask>``."""
    symbols = list(load_dictionary(path).symbols)
    languages = rows - len(symbols) - 1
    if languages < 0:
        raise InputError(
            f"{path}: {len(symbols):,} symbols and <mask> for {rows:,} embedding rows; it belongs to another model"
        )
    return [*symbols, *(f"[language {number}]" for number in range(1, languages + 1)), MASK]


def token_tables(tensors: dict[str, "Tensor"]) -> list[str]:
    """Names of the tensors with one row per symbol."""
    from swcm_fairseq.interop.rows import TOKEN_TABLES

    return [name for name in tensors if name.endswith(TOKEN_TABLES)]


def carry_over(
    mbart: MBart, dictionary: PieceList, from_pieces: bool, seed: int
) -> tuple[dict[str, "Tensor"], Counter]:
    """mBART's tensors for another dictionary.

    Args:
        mbart: the checkpoint.
        dictionary: the new dictionary, with ``<mask>`` and language tokens.
        from_pieces: whether to initialize each new row with the mean of the pieces that mBART would have split it into.
        seed: random seed for new rows.

    Returns:
        All tensors, and the number of embedding rows by origin.
    """
    import torch

    from swcm_fairseq.interop.embedding_rows import match_rows
    from swcm_fairseq.interop.rows import generator_of

    source = mbart.tensors[SHARED_TABLE]
    generator = generator_of(seed)
    start = torch.empty(len(dictionary), source.size(1)).normal_(0.0, INIT_STD, generator=generator)
    table, rows = match_rows(start, source, mbart, dictionary, from_pieces)
    rows["of mBART not used"] = rows.pop("of the encoder not used")
    return {**mbart.tensors, **dict.fromkeys(token_tables(mbart.tensors), table)}, rows


def write_checkpoint(tensors: dict[str, "Tensor"], symbols: Sequence[str], langs: Sequence[str], output: Path) -> None:
    """Write a checkpoint for ``--finetune-from-model``, without options, optimizer or progress."""

    state = {
        "args": None,
        "cfg": None,
        "model": tensors,
        "optimizer_history": [
            {"criterion_name": "", "optimizer_name": "", "lr_scheduler_state": {}, "num_updates": 0},
        ],
        "extra_state": {"train_iterator": {"epoch": 1}},
        "task_state": {"symbols": list(symbols), "langs": list(langs)},
    }
    from swcm_fairseq.interop.files import save_pickle

    with whole_file(output) as place:
        save_pickle(state, place)


def summary(tensors: dict[str, "Tensor"], rows: Counter, output: Path) -> str:
    """A summary of the output, and the next command."""
    layers = [len({name.split(".")[2] for name in tensors if name.startswith(f"{half}.layers.")}) for half in HALVES]
    width, inner = tensors[SHARED_TABLE].size(1), tensors["encoder.layers.0.fc1.weight"].size(0)
    parameters = sum(tensor.numel() for tensor in tensors.values())
    parameters -= (len(token_tables(tensors)) - 1) * tensors[SHARED_TABLE].numel()  # one table under several names
    lines = [
        f"layers          {layers[0]} + {layers[1]}, hidden size {width}, FFN {inner}",
        f"parameters      {parameters / 1e6:,.1f}M",
        f"embedding rows  {', '.join(f'{count:,} {what}' for what, count in rows.items())}",
        f"written to      {output}",
        "",
        "next: fairseq-train DATA-BIN --user-dir $(python -m swcm_fairseq) --task multilingual_denoising_mt \\",
        "  --arch mbart_large --encoder-normalize-before --decoder-normalize-before --criterion \\",
        f"  label_smoothed_cross_entropy --finetune-from-model {output} ...",
    ]
    return "\n".join(lines)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("mbart", __doc__)
    parser.add_argument("mbart", type=Path, metavar="MBART_DIR", help=f"directory with {FAIRSEQ_MODEL} and {DICT_FILE}")
    parser.add_argument("--vocab", type=Path, required=True, help=f"directory of the new vocabulary ({DICT_FILE})")
    parser.add_argument("--output", type=Path, required=True, help="checkpoint to write")
    parser.add_argument("--langs", default=",".join(DEFAULT_LANGS), help="the task's --langs (default: %(default)s)")
    parser.add_argument(
        "--new-rows-from-pieces",
        action="store_true",
        help="initialize each new row with the mean of the pieces that mBART's sentencepiece model splits it into",
    )
    parser.add_argument("--seed", type=int, default=1, help="random seed for new rows (default: %(default)s)")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Convert, and print a summary."""
    args = build_parser().parse_args(argv)
    read = [args.mbart, args.mbart / FAIRSEQ_MODEL, args.mbart / DICT_FILE, args.vocab, args.vocab / DICT_FILE]
    check_distinct(read, [args.output])
    dictionary = load_dictionary(args.vocab / DICT_FILE)
    langs = [lang.strip() for lang in args.langs.split(",")]
    add_special_symbols(dictionary, langs)
    tensors, rows = carry_over(read_mbart(args.mbart), dictionary, args.new_rows_from_pieces, args.seed)
    write_checkpoint(tensors, dictionary.symbols, langs, args.output)
    print(summary(tensors, rows, args.output))


if __name__ == "__main__":
    run_command(main)
