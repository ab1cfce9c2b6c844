"""Turn an encoder into one directory that --pretrained-encoder and preprocess accept.

Reads a Hugging Face directory (xlm-roberta, roberta, bert), a fairseq masked_lm/RoBERTa/XLM-R checkpoint or a
checkpoint of this model. Nothing is downloaded unless --hub is given.
"""

import argparse
from pathlib import Path

from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.interop.encoder_weights import EncoderWeights
from swcm_fairseq.interop.read import read_encoder
from swcm_fairseq.interop.write import write_encoder

HUB_FILES = [
    "config.json",
    "sentencepiece.bpe.model",
    "tokenizer.json",
    "model*.safetensors",
    "model.safetensors.index.json",
    "pytorch_model*.bin",
    "pytorch_model.bin.index.json",
]


def download(name: str, revision: str | None) -> Path:
    """Fetch an encoder from the Hugging Face hub; returns its local directory. Only data files, no code."""
    try:
        from huggingface_hub import snapshot_download
    except ImportError as error:
        raise InputError("--hub needs one more library: pip install huggingface_hub") from error
    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=HUB_FILES))
    except Exception as error:  # network, permissions and names: the library has a dozen of its own
        raise InputError(f"--hub {name}: {error}") from error


def summary(weights: EncoderWeights, directory: Path, rows_left_out: int) -> str:
    """What was written, what was left out and the next command."""
    reasons = sorted(set(weights.left_out.values()))
    lines = [
        f"layers            {weights.layers}",
        f"hidden size       {weights.embed_dim}, FFN {weights.ffn_embed_dim}, {weights.attention_heads} heads",
        f"positions         {weights.positions}",
        f"layer norm eps    {weights.layer_norm_eps:g}",
        f"embedding rows    {weights.tensors['embed_tokens.weight'].size(0) - rows_left_out:,}"
        f" ({rows_left_out:,} left out: no piece)",
        f"tensors left out  {len(weights.left_out)}" + (f" ({', '.join(reasons)})" if reasons else ""),
        f"written to        {directory}",
        "",
        "next: fairseq-train DATA-BIN --user-dir $(python -m swcm_fairseq) --task multilingual_denoising_mt \\",
        f"  --arch xlm_swcm --encoder-layers {weights.layers} --encoder-embed-dim {weights.embed_dim} \\",
        f"  --encoder-ffn-embed-dim {weights.ffn_embed_dim} --encoder-attention-heads {weights.attention_heads} \\",
        f"  --pretrained-encoder {directory} ...",
    ]
    return "\n".join(lines)


def parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m swcm_fairseq.interop.convert",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("source", help="directory or checkpoint; with --hub, a name such as hfl/cino-base-v2")
    parser.add_argument("--output", type=Path, required=True, help="directory to write")
    parser.add_argument("--hub", action="store_true", help="download SOURCE from the Hugging Face hub")
    parser.add_argument("--revision", help="with --hub: branch, tag or commit; default: the newest")
    parser.add_argument(
        "--sentencepiece-model", type=Path, help="default: sentencepiece.bpe.model beside the source's weights"
    )
    return parser


def main() -> None:
    """Convert and say what was done."""
    args = parser().parse_args()
    weights = read_encoder(download(args.source, args.revision) if args.hub else args.source)
    sentencepiece = args.sentencepiece_model or weights.sentencepiece
    if not sentencepiece.is_file():
        raise InputError(f"{sentencepiece}: no sentencepiece model there; name it with --sentencepiece-model")
    left_out = write_encoder(weights, args.output, sentencepiece)
    print(summary(weights, args.output, left_out))


if __name__ == "__main__":
    run_command(main)
