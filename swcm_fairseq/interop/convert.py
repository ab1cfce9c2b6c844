"""Convert an encoder to a directory that --pretrained-encoder and the vocabulary commands accept.

The source is a Hugging Face directory (xlm-roberta, roberta, bert), a fairseq checkpoint of masked_lm, RoBERTa or
XLM-R, or a checkpoint of this model. Nothing is downloaded unless --hub is given. With --to fairseq, the output is a
RoBERTa checkpoint for continued masked language modeling.

With --to model, the source is a whole model: a directory written by swcm export --format huggingface, which
transformers may have trained further. The output is a directory for fairseq: model.pt, dict.txt and the sentencepiece
model. fairseq-train continues from it (--finetune-from-model OUTPUT/model.pt); XLMSWCMModel.from_pretrained loads it.
"""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from swcm_fairseq.command_parser import command_parser
from swcm_fairseq.errors import InputError, exists, run_command
from swcm_fairseq.interop.hub import ENCODER_FILES, MODEL_FILES, download
from swcm_fairseq.output_files import check_distinct

if TYPE_CHECKING:  # --help does not import torch
    from swcm_fairseq.interop.encoder_weights import EncoderWeights

DEFAULT_INTERVAL = 3  # default of --normal-layer-interval, which must not exceed the number of layers


def _check_flags(args: argparse.Namespace) -> None:
    """Raise :class:`InputError` for options that do not apply to the requested output."""
    whole = args.to == "model"
    if args.lora is not None and not whole:
        raise InputError("--lora applies only to a whole model; give --to model")
    if whole and (args.layers is not None or args.sentencepiece_model is not None):
        raise InputError("--to model converts the model unchanged; omit --layers and --sentencepiece-model")


def size_flags(weights: "EncoderWeights") -> str:
    """The options that set the size of fairseq's RoBERTa."""
    return (
        f"--encoder-layers {weights.layers} --encoder-embed-dim {weights.embed_dim} \\\n"
        f"  --encoder-ffn-embed-dim {weights.ffn_embed_dim} --encoder-attention-heads {weights.attention_heads}"
    )


def properties(weights: "EncoderWeights") -> list[str]:
    """Lines that describe the encoder."""
    return [
        f"layers            {weights.layers}",
        f"hidden size       {weights.embed_dim}, FFN {weights.ffn_embed_dim}, {weights.attention_heads} heads",
        f"positions         {weights.positions}",
        f"layer norm eps    {weights.layer_norm_eps:g}",
        f"LM head           {'kept' if weights.head else 'none'}",
    ]


def start_flags(weights: "EncoderWeights", directory: Path) -> str:
    """The options for a model that starts from the encoder."""
    interval = f" --normal-layer-interval {weights.layers}" if weights.layers < DEFAULT_INTERVAL else ""
    return f"--arch xlm_swcm --pretrained-encoder {directory}{interval}"


def summary(weights: "EncoderWeights", directory: Path, rows_left_out: int) -> str:
    """What was written, what was left out and the next command."""
    from swcm_fairseq.interop.lm_head import HEAD_REASON

    dropped = [reason for reason in weights.left_out.values() if not (weights.head and reason == HEAD_REASON)]
    lines = [
        *properties(weights),
        f"embedding rows    {weights.rows - rows_left_out:,} ({rows_left_out:,} left out: no piece)",
        f"tensors left out  {len(dropped)}" + (f" ({', '.join(sorted(set(dropped)))})" if dropped else ""),
        f"written to        {directory}",
        "",
        "next: fairseq-train DATA-BIN --user-dir $(python -m swcm_fairseq) --task multilingual_denoising_mt \\",
        f"  {start_flags(weights, directory)} ...",
    ]
    return "\n".join(lines)


def fairseq_summary(weights: "EncoderWeights", path: Path) -> str:
    """:func:`summary` for a RoBERTa checkpoint."""
    from swcm_fairseq.interop.write_fairseq import epsilon_note

    note = epsilon_note(weights)
    lines = [
        *properties(weights),
        *([f"note              {note}"] if note else []),
        f"written to        {path}",
        "",
        "next: fairseq-train DATA-BIN --user-dir $(python -m swcm_fairseq) --task corpora_masked_lm \\",
        f"  --criterion masked_lm --arch roberta_base {size_flags(weights)} \\",
        f"  --activation-fn {weights.activation_fn} --max-positions {weights.positions} \\",
        f"  --finetune-from-model {path} ...",
    ]
    return "\n".join(lines)


def model_summary(source: Path, directory: Path, langs: list[str]) -> str:
    """What was read and written for a whole model, and the next command."""
    return "\n".join(
        [
            f"read              {source}",
            f"languages         {' '.join(langs)}",
            f"written to        {directory}",
            "",
            "next: fairseq-train DATA-BIN --user-dir $(python -m swcm_fairseq) --task multilingual_denoising_mt \\",
            f"  --langs {','.join(langs)} --arch xlm_swcm --finetune-from-model {directory / 'model.pt'} ...",
        ]
    )


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = command_parser("convert", __doc__)
    parser.add_argument("source", help="directory or checkpoint; with --hub, a name such as hfl/cino-base-v2")
    parser.add_argument("--output", type=Path, required=True, help="directory (with --to fairseq: file) to write")
    parser.add_argument(
        "--to",
        choices=["directory", "packed", "fairseq", "model"],
        default="directory",
        help="output: a directory, a directory with 4 bits per weight and checksums, a fairseq checkpoint, or the "
        "whole model converted from a directory for transformers (default: directory)",
    )
    parser.add_argument(
        "--lora", type=Path, metavar="DIRECTORY", help="with --to model: merge this LoRA adapter, as saved by PEFT"
    )
    parser.add_argument("--layers", type=int, metavar="K", help="write only the first K layers (default: all)")
    parser.add_argument("--hub", action="store_true", help="download SOURCE from the Hugging Face hub")
    parser.add_argument("--revision", help="with --hub: branch, tag or commit (default: the newest)")
    parser.add_argument(
        "--sentencepiece-model",
        type=Path,
        help="sentencepiece model (default: sentencepiece.bpe.model next to the weights of SOURCE)",
    )
    return parser


def main() -> None:
    """Convert, and print a summary."""
    args = build_parser().parse_args()
    _check_flags(args)
    check_distinct([None if args.hub else args.source, args.sentencepiece_model], [args.output])
    files = MODEL_FILES if args.to == "model" else ENCODER_FILES
    source = download(args.source, args.revision, files, "--hub") if args.hub else Path(args.source)
    if args.to == "model":
        from swcm_fairseq.interop.hf_read import write_checkpoint

        langs = write_checkpoint(source, args.output, args.lora)
        print(model_summary(source, args.output, langs))
    else:
        convert_encoder(source, args)


def convert_encoder(source: Path, args: argparse.Namespace) -> None:
    """Read an encoder, write it in the requested form, and print a summary."""
    from swcm_fairseq.interop.read import read_encoder

    weights = read_encoder(source)
    if args.layers is not None:
        weights = weights.first_layers(args.layers)
    weights.check_whole()
    if args.to == "fairseq":
        from swcm_fairseq.interop.write_fairseq import write_roberta

        if exists(args.output):
            raise InputError(f"--output {args.output}: already exists; give another file")
        write_roberta(weights, args.output)
        print(fairseq_summary(weights, args.output))
        return
    from swcm_fairseq.interop.write import write_encoder

    sentencepiece = args.sentencepiece_model or weights.sentencepiece
    if not sentencepiece.is_file():
        raise InputError(f"{sentencepiece}: no such sentencepiece model; give its path with --sentencepiece-model")
    left_out = write_encoder(weights, args.output, sentencepiece, packed=args.to == "packed")
    print(summary(weights, args.output, left_out))


if __name__ == "__main__":
    run_command(main)
