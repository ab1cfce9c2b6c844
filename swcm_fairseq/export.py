"""Write a directory with everything needed to generate text: model and vocabulary, without the optimizer state.

--format fairseq (default): model.pt, dict.txt and the sentencepiece model. XLMSWCMModel.from_pretrained(DIR) loads the
directory; fairseq-generate and --finetune-from-model load DIR/model.pt.
--format huggingface: safetensors, configuration, tokenizer, model code and a model card. transformers loads it without
fairseq and without this package: AutoModelForSeq2SeqLM.from_pretrained(DIR, trust_remote_code=True).
"""

import argparse
import shutil
from pathlib import Path
from typing import cast

from swcm_fairseq.checked_data import checked
from swcm_fairseq.checkpoint_state import Checkpoint
from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.data.vocabulary import DICT_FILE, SENTENCEPIECE_FILE, Vocabulary
from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.interop.encoder_files import SAFETENSORS
from swcm_fairseq.interop.hub import push
from swcm_fairseq.output_files import check_distinct, whole_directory

MODEL_FILE = "model.pt"
# The keys that fairseq needs to generate or to start training from the model. The history contains no tensors.
_KEPT = ("args", "cfg", "model", "optimizer_history", "task_state")


def stripped(path: Path) -> Checkpoint:
    """A checkpoint without the parts needed only to resume; raises :class:`InputError` if it is from another task."""
    from swcm_fairseq.interop.files import load_pickle

    if path.is_dir():
        raise InputError(
            f"{path}: is a directory; give a checkpoint of fairseq-train, such as checkpoint_best.pt in it"
        )
    state = load_pickle(path)
    if not isinstance(state, dict) or any(key not in state for key in _KEPT):
        raise InputError(f"{path}: not a checkpoint of fairseq-train; give one of its checkpoint_*.pt files")
    if "langs" not in checked(state["task_state"], dict[str, object], f"{path}: task_state"):
        raise InputError(f"{path}: was not trained with --task multilingual_denoising_mt; give a checkpoint that was")
    if state["cfg"] is None:  # fairseq cannot build its model
        raise InputError(
            f"{path}: contains no training options, like the files of swcm mbart; fine-tune from it "
            f"(fairseq-train --finetune-from-model {path}) and export the resulting checkpoint"
        )
    kept = cast(Checkpoint, {**{key: state[key] for key in _KEPT}, "extra_state": {}})
    _check_parts(path, kept)
    return kept


def _check_parts(path: Path, state: Checkpoint) -> None:
    """Raise :class:`InputError` if a part of a checkpoint does not have the type that training writes."""
    from torch import Tensor

    task, cfg = state["task_state"], checked(state["cfg"], dict[str, object], f"{path}: cfg")
    for key in ("langs", "symbols"):
        checked(task.get(key), list[str], f"{path}: task_state: {key}")
    checked(task.get("tokens_per_sample"), int | None, f"{path}: task_state: tokens_per_sample")
    for part in ("model", "task"):
        checked(cfg.get(part), dict[str, object], f"{path}: cfg: {part}")
    checked(cfg["model"].get("_name"), str, f"{path}: cfg: model: _name")
    for key in ("source_lang", "target_lang"):
        checked(cfg["task"].get(key), str | None, f"{path}: cfg: task: {key}")
    checked(cfg["task"].get("tokens_per_sample"), int | None, f"{path}: cfg: task: tokens_per_sample")
    for i, training in enumerate(
        checked(state["optimizer_history"], list[dict[str, object]], f"{path}: optimizer_history")
    ):
        checked(training.get("num_updates"), int, f"{path}: optimizer_history[{i}]: num_updates")
    for name, value in checked(state["model"], dict[str, object], f"{path}: model").items():
        kind = float if name.endswith("_extra_state") and not isinstance(value, Tensor) else Tensor  # an epsilon
        checked(value, kind, f"{path}: model: {name}")


def export(
    checkpoint: Path,
    output: Path,
    vocabulary: Path | None = None,
    source_lang: str | None = None,
    target_lang: str | None = None,
) -> list[str]:
    """Write the directory for fairseq.

    Args:
        checkpoint: a checkpoint written by ``fairseq-train``.
        output: directory to write; it must not contain a model.
        vocabulary: directory with ``dict.txt`` and the sentencepiece model; by default, the data directory named in the
            checkpoint.
        source_lang: default source language of the exported model; by default, the one used in training.
        target_lang: default target language of the exported model; by default, the one used in training.

    Returns:
        The languages of the model.

    Raises:
        InputError: a file is missing, the vocabularies differ, the model does not have a language, the weights do not
            fit the model options, or the directory cannot be written.
    """
    from swcm_fairseq.interop.hf_names import is_ours
    from swcm_fairseq.interop.hf_write import fitting_model

    state = _prepared(checkpoint, source_lang, target_lang)
    if is_ours(state["cfg"]["model"]["_name"]):  # other architectures, such as mbart_large, have other options
        fitting_model(state, checkpoint)
    write_fairseq(state, vocabulary_of(state, vocabulary), output)
    return list(state["task_state"]["langs"])


def export_huggingface(
    checkpoint: Path,
    output: Path,
    vocabulary: Path | None = None,
    source_lang: str | None = None,
    target_lang: str | None = None,
    scores: list[Path] | None = None,
    license: str | None = None,
) -> list[str]:
    """Write the directory for transformers.

    Args:
        checkpoint: see :func:`export`.
        output: directory to write.
        vocabulary: see :func:`export`.
        source_lang: the tokenizer's ``src_lang``.
        target_lang: the tokenizer's ``tgt_lang`` and the ``forced_bos_token_id`` of ``generate``.
        scores: files written by ``swcm score --format json``, for the model card.
        license: the license of the model, such as ``cc-by-4.0``, for the model card.

    Returns:
        The languages of the model.

    Raises:
        InputError: as in :func:`export`, or the model is not from this package.
    """
    from swcm_fairseq.interop.hf_write import FILES, write_huggingface
    from swcm_fairseq.model_card import model_card
    from swcm_fairseq.scoring.score_report import read_json

    state = _prepared(checkpoint, source_lang, target_lang)
    evaluations = [read_json(path) for path in scores or []]
    directory = vocabulary_of(state, vocabulary)
    card = model_card(state, output.name, evaluations, license)
    with whole_directory(output, FILES) as partial:
        write_huggingface(state, directory, card, partial, checkpoint)
    return list(state["task_state"]["langs"])


def _prepared(checkpoint: Path, source_lang: str | None, target_lang: str | None) -> Checkpoint:
    """The checkpoint, with the requested languages in the task's options.

    Raises:
        InputError: the model does not have one of the languages.
    """
    state = stripped(checkpoint)
    langs = state["task_state"]["langs"]
    for name, lang in (("source_lang", source_lang), ("target_lang", target_lang)):
        if lang is not None and lang not in langs:
            flag = f"--{name.replace('_', '-')}"
            raise InputError(f"{flag} {lang}: the model in {checkpoint} only has the languages {','.join(langs)}")
        if lang is not None:
            state["cfg"]["task"][name] = lang
    return state


def vocabulary_of(state: Checkpoint, vocabulary: Path | None) -> Path:
    """The directory with the vocabulary of the model; raises :class:`InputError` if it is missing or does not match."""
    from swcm_fairseq.tasks.restored import check_same_pieces

    directory = vocabulary or Path(str(state["cfg"]["task"]["data"]).split(":")[0])
    for name in (DICT_FILE, SENTENCEPIECE_FILE):
        if not (directory / name).is_file():
            raise InputError(
                f"{directory / name}: missing; give the directory with the vocabulary of the model with --vocab"
            )
    check_same_pieces(state["task_state"], Vocabulary(directory).dictionary.symbols, directory)
    return directory


def write_fairseq(state: Checkpoint, vocabulary: Path, output: Path) -> None:
    """Write ``model.pt``, ``dict.txt`` and the sentencepiece model.

    Args:
        state: a checkpoint.
        vocabulary: directory with the dictionary and the sentencepiece model.
        output: directory to write; it must not contain a model.

    Raises:
        InputError: the directory already contains a model, or cannot be written.
    """
    from swcm_fairseq.interop.files import save_pickle

    with whole_directory(output, (DICT_FILE, SENTENCEPIECE_FILE, MODEL_FILE)) as partial:
        for name in (DICT_FILE, SENTENCEPIECE_FILE):
            shutil.copyfile(vocabulary / name, partial / name)
        save_pickle(state, partial / MODEL_FILE)


def summary(checkpoint: Path, output: Path, langs: list[str]) -> str:
    """A summary of the directory written for fairseq, and how to use it."""
    return "\n".join(
        [
            *_written(checkpoint, output, MODEL_FILE, (DICT_FILE, SENTENCEPIECE_FILE), langs),
            "  from swcm_fairseq.models import XLMSWCMModel",
            f'  model = XLMSWCMModel.from_pretrained("{output}")',
            f'  model.generate(["..."], source_lang="{langs[0]}", target_lang="{langs[-1]}")',
        ]
    )


def huggingface_summary(checkpoint: Path, output: Path, langs: list[str]) -> str:
    """A summary of the directory written for transformers, and how to use it."""
    from swcm_fairseq.interop.hf_write import FILES

    others = tuple(name for name in FILES if name != SAFETENSORS)
    return "\n".join(
        [
            *_written(checkpoint, output, SAFETENSORS, others, langs),
            "  from transformers import AutoModelForSeq2SeqLM, AutoTokenizer",
            f'  tokenizer = AutoTokenizer.from_pretrained("{output}", trust_remote_code=True, src_lang="{langs[0]}")',
            f'  model = AutoModelForSeq2SeqLM.from_pretrained("{output}", trust_remote_code=True)',
            '  inputs = tokenizer(["..."], return_tensors="pt")',
            f'  ids = model.generate(**inputs, forced_bos_token_id=tokenizer.lang_code_to_id["{langs[-1]}"])',
            "  tokenizer.batch_decode(ids, skip_special_tokens=True)",
        ]
    )


def _written(checkpoint: Path, output: Path, model: str, others: tuple[str, ...], langs: list[str]) -> list[str]:
    before, after = (path.stat().st_size / 2**20 for path in (checkpoint, output / model))
    return [
        f"checkpoint  {checkpoint}, {before:,.1f} MiB",
        f"written to  {output}: {'; '.join((f'{model}, {after:,.1f} MiB', *others))}",
        f"languages   {' '.join(langs)}",
        "",
        "next, in Python:",
    ]


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("export", __doc__)
    parser.add_argument("checkpoint", type=Path, help="a checkpoint of fairseq-train, e.g. checkpoint_best.pt")
    parser.add_argument("--output", type=Path, required=True, help="directory to write")
    parser.add_argument("--format", choices=["fairseq", "huggingface"], default="fairseq", help="default: fairseq")
    parser.add_argument(
        "--vocab",
        type=Path,
        help=f"directory with {DICT_FILE} and {SENTENCEPIECE_FILE} (default: the data directory named in the "
        "checkpoint)",
    )
    parser.add_argument(
        "--source-lang", help="default source language of the model (default: the one used in training)"
    )
    parser.add_argument(
        "--target-lang", help="default target language of the model (default: the one used in training)"
    )
    card = parser.add_argument_group("model card of --format huggingface")
    card.add_argument(
        "--scores",
        type=Path,
        action="append",
        metavar="FILE",
        help="scores to list, written by swcm score --format json; can be given several times",
    )
    card.add_argument("--license", metavar="ID", help="license of the model, such as cc-by-4.0")
    hub = parser.add_argument_group("Hugging Face hub")
    hub.add_argument("--push", metavar="REPO", help="also upload the directory as the model REPO, such as org/name")
    hub.add_argument("--private", action="store_true", help="with --push: make a new repository private")
    return parser


def main() -> None:
    """Export, print a summary, and upload if requested."""
    args = build_parser().parse_args()
    check_distinct([args.checkpoint, args.vocab], [args.output])
    languages = args.checkpoint, args.output, args.vocab, args.source_lang, args.target_lang
    if args.format == "huggingface":
        langs = export_huggingface(*languages, args.scores, args.license)
        print(huggingface_summary(args.checkpoint, args.output, langs))
    else:
        if args.scores or args.license:
            raise InputError("--scores and --license are for the model card; add --format huggingface")
        print(summary(args.checkpoint, args.output, export(*languages)))
    if args.push:
        print(f"pushed to {push(args.output, args.push, args.private)}")


if __name__ == "__main__":
    run_command(main)
