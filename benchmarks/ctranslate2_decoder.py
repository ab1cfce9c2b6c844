"""CTranslate2 with a Transformer of the same size as our model: a proxy, whose layers have one feed-forward network.

The encoder, the numbers of layers, the widths, the vocabulary and the output matrix are those of our model. The decoder
has standard layers, whose feed-forward networks together have as many parameters as ours, so the models have the same
size, except for layer norms.
"""

import argparse
import tempfile
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import contestants as models
import ctranslate2
import torch
from ctranslate2.converters import fairseq as converter
from ctranslate2.specs import TransformerSpec
from fairseq.models.transformer import TransformerDecoderBase, TransformerEncoderBase, TransformerModelBase
from torch import Tensor, nn

from swcm_fairseq.errors import InputError
from swcm_fairseq.models.layer_plan import LayerKind

COMPUTE = {"fp32": "float32", "int8": "int8"}  # --precision -> CTranslate2's name


def same_size_transformer(options: argparse.Namespace, task: SimpleNamespace) -> TransformerModelBase:
    """A post-norm Transformer with fairseq's own layers and as many parameters as our model."""
    config = models.our_config(options)
    cfg, plan = config.transformer_config(), config.layer_plan()
    networks = sum(1 if planned.kind is LayerKind.NORMAL else 2 for planned in plan)
    cfg.decoder.ffn_embed_dim = cfg.decoder.ffn_embed_dim * networks // len(plan)
    torch.manual_seed(0)
    embeddings = nn.Embedding(options.vocabulary, config.encoder_embed_dim, task.target_dictionary.pad())
    nn.init.normal_(embeddings.weight, std=config.encoder_embed_dim**-0.5)
    encoder = TransformerEncoderBase(cfg, task.source_dictionary, embeddings)
    return TransformerModelBase(cfg, encoder, TransformerDecoderBase(cfg, task.target_dictionary, embeddings)).eval()


@torch.no_grad()
def translator(options: argparse.Namespace, task: SimpleNamespace) -> Any:
    """The Transformer in CTranslate2, computing in ``options.precision``."""
    model, heads = same_size_transformer(options, task), models.our_config(options).encoder_attention_heads
    spec = TransformerSpec.from_config(
        (len(model.encoder.layers), len(model.decoder.layers)),
        heads,
        pre_norm=False,
        activation=converter._SUPPORTED_ACTIVATIONS[model.cfg.activation_fn],
        layernorm_embedding=True,
    )
    converter.set_transformer_encoder(spec.encoder, model.encoder)
    converter.set_transformer_decoder(spec.decoder, model.decoder)
    spec.register_source_vocabulary(task.source_dictionary.symbols)
    spec.register_target_vocabulary(task.target_dictionary.symbols)
    spec.validate()
    compute = COMPUTE[options.precision]
    spec.optimize(quantization=compute)
    with tempfile.TemporaryDirectory() as directory:
        spec.save(directory)
        return ctranslate2.Translator(
            directory, device="cpu", compute_type=compute, inter_threads=1, intra_threads=options.threads
        )


def ctranslate2_decoding(
    options: argparse.Namespace, beam: int, words: int
) -> Callable[[dict[str, Any]], list[Tensor]]:
    """CTranslate2's search after a given language token.

    Every hypothesis has ``words + 1`` words, so there is one step for each word and one for the end, as for the other
    contestants.
    """
    task = models.make_task(options.vocabulary)
    dictionary = task.target_dictionary
    engine = translator(options, task)
    given = [dictionary[models.LANGUAGE]]
    length = len(given) + words + 1

    def decode(sample: dict[str, Any]) -> list[Tensor]:
        texts = [
            [dictionary[i] for i in row if i != dictionary.pad()] for row in sample["net_input"]["src_tokens"].tolist()
        ]
        found = engine.translate_batch(
            texts,
            target_prefix=[given] * len(texts),
            beam_size=beam,
            min_decoding_length=length,
            max_decoding_length=length,
        )
        hypotheses = [result.hypotheses[0] for result in found]
        if {len(hypothesis) for hypothesis in hypotheses} != {length}:
            raise InputError(
                f"CTranslate2 generated hypotheses of lengths other than {length}, so its work is not comparable"
            )
        return [torch.tensor([dictionary.index(word) for word in each[len(given) :]]) for each in hypotheses]

    return decode
