"""Validation by decoding: score hypotheses to select checkpoints."""

import ast
import logging
from argparse import Namespace
from collections.abc import Iterator
from enum import Enum

import numpy as np
import torch
from fairseq import utils
from fairseq.data import Dictionary
from fairseq.distributed import utils as distributed_utils
from fairseq.models import BaseFairseqModel
from sacrebleu.metrics import BLEU, CHRF
from sacrebleu.metrics.base import Metric

from swcm_fairseq.data.languages import language
from swcm_fairseq.data.multilingual_dataset import MultilingualDataset
from swcm_fairseq.errors import InputError
from swcm_fairseq.scoring.evaluation import build_metrics
from swcm_fairseq.scoring.rouge import Rouge, RougeType
from swcm_fairseq.scoring.tokenizers import build_tokenizer
from swcm_fairseq.tasks.language_generator import LanguageGenerator

logger = logging.getLogger(__name__)

_DEFAULT_GENERATION = {"beam": 4, "max_len_a": 0, "max_len_b": 200}


class EvalMetric(Enum):
    """The scores that validation can compute."""

    bleu = "bleu"
    chrf = "chrf"
    rouge_l = "rouge_l"


def parse_generation_options(text: str) -> Namespace:
    """Parse options of ``fairseq-generate``, e.g. ``{"beam": 1}``; raises :class:`InputError` if that fails."""
    try:
        options = ast.literal_eval(text)
        return Namespace(**{**_DEFAULT_GENERATION, **options})
    except (ValueError, SyntaxError, TypeError) as error:
        raise InputError(f'--eval-args {text}: write a dictionary, e.g. \'{{"beam": 1, "max_len_b": 100}}\'') from error


def build_metric(metric: EvalMetric, lang: str) -> Metric:
    """The metric as ``swcm score`` computes it; unknown languages are scored by words."""
    for built in build_metrics(lang, build_tokenizer(lang, language(lang).rouge or "word")):
        if isinstance(built, Rouge):
            if metric is EvalMetric.rouge_l and built.rouge_type is RougeType.ROUGE_L:
                return built
        elif isinstance(built, {EvalMetric.bleu: BLEU, EvalMetric.chrf: CHRF}.get(metric, ())):
            return built
    raise ValueError(f"no such metric: {metric}")


def chosen_samples(dataset: MultilingualDataset, most: int) -> np.ndarray:
    """The first ``most`` samples of every translation stream; int64."""
    pairs = np.array([stream.translation for stream in dataset.streams])
    return np.flatnonzero(pairs[dataset.stream_of] & (dataset.index_of < most))


def _batches(dataset: MultilingualDataset, indices: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """``indices`` sorted by length, in batches with a single target language (for ``--restrict-decoding``)."""
    langs = np.array([stream.target_lang for stream in dataset.streams])[dataset.stream_of[indices]]
    for lang in sorted(set(langs)):
        own = indices[langs == lang]
        own = own[np.argsort(dataset.num_tokens_vec(own), kind="stable")]
        yield from (own[start : start + batch_size] for start in range(0, len(own), batch_size))


def _decode(
    dataset: MultilingualDataset, generator: LanguageGenerator, model: BaseFairseqModel, samples: int, batch_size: int
) -> dict[int, tuple[list[str], list[str]]]:
    """Hypotheses and references of each group; for the arguments, see :func:`decode_and_score`."""
    model.eval()
    texts: dict[int, tuple[list[str], list[str]]] = {}
    device = next(model.parameters()).device
    for indices in _batches(dataset, chosen_samples(dataset, samples), batch_size):
        batch = dataset.collater([dataset[int(i)] for i in indices])
        if device.type == "cuda":
            batch = utils.move_to_cuda(batch, device)
        with torch.no_grad():
            hypotheses = generator.generate([model], batch)
        references = batch.get("full_target", batch["target"])
        for group, found, reference in zip(batch["group"].tolist(), hypotheses, references, strict=True):
            pair = texts.setdefault(group, ([], []))
            pair[0].append(_text(dataset.dictionary, found[0]["tokens"]))
            pair[1].append(_text(dataset.dictionary, reference[reference.ne(dataset.dictionary.pad())]))
    return texts


def decode_and_score(
    dataset: MultilingualDataset,
    generator: LanguageGenerator,
    model: BaseFairseqModel,
    metric: EvalMetric,
    samples: int,
    batch_size: int,
    group_names: list[str],
) -> dict[str, float]:
    """Decode and score the first samples of every parallel corpus; each process of a run does all the work.

    Args:
        dataset: a validation set.
        generator: a generator from ``task.build_generator``.
        model: the model, which is in evaluation mode afterwards.
        metric: the score to compute.
        samples: maximum number of samples per corpus and direction.
        batch_size: number of sentences to decode together.
        group_names: names of the groups.

    Returns:
        the score of each group in percent, as ``mt_zh-bo_bleu``, and their mean, as ``bleu``; {} without pairs.
    """
    texts = _decode(dataset, generator, model, samples, batch_size)
    langs = {group: stream.target_lang for group, stream in zip(dataset.mix.groups, dataset.streams, strict=True)}
    scores = {}
    for group, (hypotheses, references) in sorted(texts.items()):
        score = build_metric(metric, langs[group]).corpus_score(hypotheses, [references])
        scores[f"{group_names[group]}_{metric.value}"] = round(score.score, 2)
        logger.info(f"{group_names[group]}: {score} ({len(hypotheses)} samples), e.g. {hypotheses[0]}")
    if scores:
        scores[metric.value] = round(sum(scores.values()) / len(scores), 2)
    if distributed_utils.get_data_parallel_world_size() > 1:
        # Different GPUs may generate different words, but all processes must end training together (--patience).
        scores = distributed_utils.broadcast_object(scores, 0, distributed_utils.get_data_parallel_group())
    return scores


def _text(dictionary: Dictionary, tokens: torch.Tensor) -> str:
    return dictionary.string(tokens.int().cpu(), "sentencepiece")
