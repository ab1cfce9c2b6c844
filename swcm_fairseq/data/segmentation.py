"""Segmentation of text inside a word by a sentencepiece model."""

from sentencepiece import SentencePieceProcessor
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]


def inside_words(processor: SentencePieceProcessor) -> SentencePieceProcessor:
    """A copy of ``processor`` that adds no leading space and does not normalize, so it can split a piece."""
    model = ModelProto.FromString(processor.serialized_model_proto())
    model.normalizer_spec.Clear()
    model.normalizer_spec.add_dummy_prefix = False
    model.normalizer_spec.remove_extra_whitespaces = False
    return SentencePieceProcessor(model_proto=model.SerializeToString())
