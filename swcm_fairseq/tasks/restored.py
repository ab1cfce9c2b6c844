"""Vocabulary, languages and sizes of the checkpoint that fairseq is about to restore."""

from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from omegaconf import DictConfig, open_dict

from swcm_fairseq.checkpoint_state import TaskState
from swcm_fairseq.data.vocabulary import MASK
from swcm_fairseq.errors import InputError
from swcm_fairseq.interop.encoder_weights import EncoderSizes
from swcm_fairseq.interop.fairseq_checkpoint import read_fairseq_sizes
from swcm_fairseq.restoring import read_checkpoint, restored_file
from swcm_fairseq.run_options import RunOptions

SIZES = ("layers", "embed_dim", "ffn_embed_dim", "attention_heads")  # encoder_<name> is fairseq's option


def read_task_state(path: str) -> TaskState:
    """The task state in a checkpoint; raises the same errors as :func:`read_checkpoint`."""
    return read_checkpoint(path).get("task_state") or {}


def check_same_pieces(state: TaskState, pieces: Sequence[str], directory: Path | str) -> None:
    """Raise :class:`InputError` if a checkpoint was not trained with the vocabulary in ``directory``.

    Args:
        state: the task state in a checkpoint.
        pieces: fairseq's four specials and the pieces, in order.
        directory: the directory that they were read from.
    """
    if state["symbols"][: len(pieces) + 1] != [*pieces, MASK]:
        raise InputError(
            f"{directory}: has a different vocabulary from the checkpoint; give the data directory that the model "
            "was trained with, or binarize the text with the checkpoint's vocabulary"
        )


def check_same_symbols(
    state: TaskState, symbols: Sequence[str], langs: Sequence[str], path: str, finetune: bool = False
) -> None:
    """Raise :class:`InputError` if the pieces or languages of a training run differ from those of its checkpoint.

    With ``finetune`` (``--finetune-from-model``, a new run with new optimizer state), languages may be appended.
    """
    old = list(state.get("symbols", symbols))
    if old == list(symbols) or (finetune and old == list(symbols)[: len(old)]):
        return
    theirs = state.get("langs")
    if theirs is None:
        raise InputError(
            f"{path}: is a checkpoint of masked language modeling, not of this task; to start from it, use "
            f"--pretrained-encoder {path}"
        )
    if old[: -len(theirs)] == list(symbols)[: -len(langs)]:
        langs_text = ",".join(theirs)
        fix = f"give --langs {langs_text}, optionally with more languages appended"
        if not finetune:
            fix = (
                "continue with these languages, or append languages in a new run with "
                f"--finetune-from-model {path} and another --save-dir"
            )
        raise InputError(f"{path}: was trained with --langs {langs_text}, not {','.join(langs)}; {fix}")
    raise InputError(
        f"{path}: was not trained with the vocabulary of the data directory; binarize the text with the checkpoint's "
        "vocabulary, or use another --save-dir"
    )


def restored_sizes(run: RunOptions, positions: int) -> EncoderSizes | None:
    """The sizes of the encoder that fairseq is about to restore; None if it restores none.

    Raises:
        InputError: the checkpoint has no encoder, or fewer positions than ``positions`` (``--tokens-per-sample``).
    """
    path = restored_file(run)
    if path is None:
        return None
    sizes = read_fairseq_sizes(Path(path))
    if sizes.positions < positions:
        raise InputError(
            f"--tokens-per-sample {positions}: {path} has only {sizes.positions} positions; give at most that many"
        )
    return sizes


def take_sizes(model: DictConfig | Namespace, sizes: EncoderSizes) -> None:
    """Set the options of a fairseq encoder architecture to ``sizes``, in place."""
    options = {f"encoder_{name}": getattr(sizes, name) for name in SIZES}
    options |= {"activation_fn": sizes.activation_fn, "max_positions": sizes.positions}
    if isinstance(model, Namespace):
        vars(model).update(options)
        return
    with open_dict(model):
        model.update(options)
