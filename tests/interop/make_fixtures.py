"""Write tests/interop/fixtures: tiny random XLM-R and BERT directories, and transformers' results for a batch.

    python tests/interop/make_fixtures.py

This script needs transformers (5.x); the tests do not. Layer norms, biases, token types and padding rows are random,
and weights are large, so that a wrong mapping shows in the first decimal.
"""

import io
import random
from pathlib import Path
from typing import Any

import numpy as np
import sentencepiece
import torch
from transformers import BertConfig, BertModel, XLMRobertaConfig, XLMRobertaForMaskedLM

OUT = Path(__file__).with_name("fixtures")
SIZE = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
POSITIONS = 40
PAD, MASK_AND_PAD, SPARE_ROWS = 1, 2, 5
LETTERS = ["ཀཁགངཅཆཇཉཏཐ", "ابتجدرسشعف", "абвгдеәғқң", "中国人民大学天地日月", "abcdefghij"]


def words(generator: random.Random) -> list[str]:
    """A few hundred random words in five scripts."""
    return ["".join(generator.choices(script, k=generator.randint(1, 5))) for script in LETTERS for _ in range(80)]


def train_sentencepiece(lines: list[str]) -> bytes:
    out = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=out,
        vocab_size=150,
        model_type="unigram",
        normalization_rule_name="identity",
        num_threads=1,
        minloglevel=2,
    )
    return out.getvalue()


def randomise(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            if "norm.weight" in name.lower():
                parameter.copy_(1 + 0.2 * noise)
            elif "token_type" in name:
                parameter.copy_(0.5 * noise)
            elif parameter.dim() == 1:
                parameter.copy_(0.1 * noise)
            else:
                parameter.copy_(noise * (1.0 if "embeddings" in name else 1.5 / parameter.shape[-1] ** 0.5))
    return model.eval()


def batch(model: bytes, lines: list[str]) -> torch.Tensor:
    """Right-padded ids of the lines, <s> ... </s>; the first row is the shortest possible one."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    ids = [[0, *(3 if i == 0 else i + 1 for i in x[: POSITIONS - 2]), 2] for x in processor.encode(lines)]
    ids[0] = [0, 2]
    width = max(map(len, ids))
    return torch.tensor([x + [PAD] * (width - len(x)) for x in ids])


def save(name: str, model: Any, vocabulary: bytes, ids: torch.Tensor) -> None:
    directory = OUT / name
    model.save_pretrained(directory)
    (directory / "generation_config.json").unlink(missing_ok=True)
    (directory / "model.safetensors").chmod(0o644)
    (directory / "sentencepiece.bpe.model").write_bytes(vocabulary)
    mask = ids.ne(PAD).long()
    with torch.no_grad():
        hidden = getattr(model, "roberta", model)(input_ids=ids, attention_mask=mask).last_hidden_state
    np.savez_compressed(directory / "expected.npz", input_ids=ids.numpy(), last_hidden_state=hidden.numpy())


def main() -> None:
    generator = random.Random(0)
    vocabulary = words(generator)
    lines = [" ".join(generator.choices(vocabulary, k=generator.randint(2, 12))) for _ in range(400)]
    model = train_sentencepiece(lines)
    rows = sentencepiece.SentencePieceProcessor(model_proto=model).get_piece_size() + MASK_AND_PAD
    ids = batch(model, [*lines[:5], "xyz " + lines[5]])
    roberta = XLMRobertaConfig(
        vocab_size=rows,
        max_position_embeddings=POSITIONS + PAD + 1,
        type_vocab_size=1,
        layer_norm_eps=1e-5,
        pad_token_id=PAD,
        **SIZE,
    )
    bert = BertConfig(
        vocab_size=rows + SPARE_ROWS,
        max_position_embeddings=POSITIONS,
        type_vocab_size=2,
        layer_norm_eps=1e-12,
        pad_token_id=0,  # as in multilingual-e5-small, although its tokenizer pads with 1
        **SIZE,
    )
    save("xlmr", randomise(XLMRobertaForMaskedLM(roberta), 0), model, ids)
    save("bert", randomise(BertModel(bert, add_pooling_layer=False), 1), model, ids)


if __name__ == "__main__":
    main()
