"""How many samples of each corpus an epoch has, and the table of it that is shown when training starts."""

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from swcm_fairseq.data.corpus_sampling import SamplingBy, Temperature, quotas, with_share
from swcm_fairseq.data.streams import Stream
from swcm_fairseq.errors import InputError

logger = logging.getLogger(__name__)

MOST_PASSES = 10  # over a corpus in an epoch, without a warning


def planned_counts(
    streams: Sequence[Stream],
    temperature: Temperature,
    samples_per_epoch: int | None = None,
    translation_share: float | None = None,
    language_share: tuple[str, float] | None = None,
) -> np.ndarray:
    """How many samples of each stream an epoch has, int64, shape (streams,); logs the table.

    The language of a stream is that of its target.

    Args:
        streams: at least one.
        temperature: how they are drawn.
        samples_per_epoch: None: as many as there are.
        translation_share: of pairs; None: what the temperature gives.
        language_share: a language and its share; None: what the temperature gives.

    Raises:
        InputError: a number is out of range.
    """
    samples, tokens = [len(stream) for stream in streams], [stream.tokens for stream in streams]
    p = temperature.probabilities(samples, tokens, [stream.target_lang for stream in streams])
    if translation_share is not None:
        pairs = [stream.translation for stream in streams]
        p = with_share(p, pairs, translation_share, "--translation-share", ("pairs", "monolingual"))
    if language_share is not None:
        lang, share = language_share
        chosen = [stream.target_lang == lang for stream in streams]
        p = with_share(p, chosen, share, f"--language-share {lang}", (lang, "other"))
    total = samples_per_epoch if samples_per_epoch is not None else sum(samples)
    if total < 1:
        raise InputError(f"--samples-per-epoch {total}: give a number above 0")
    counts = quotas(p, total)
    for line in sampling_table(streams, p, counts, temperature):
        logger.info(line)
    for line in too_many_passes(streams, counts):
        logger.warning(line)
    return counts


def sampling_table(
    streams: Sequence[Stream], p: np.ndarray, counts: np.ndarray, temperature: Temperature
) -> Iterator[str]:
    """Lines: how corpora are drawn; then corpus, samples, tokens, q, p, samples per epoch, passes per epoch."""
    yield meaning(streams, counts, temperature)
    width = max(len("corpus"), *(len(stream.group) for stream in streams))
    heads = f"{'samples':>11} {'tokens':>14} {'q':>7} {'p':>7} {'samples/epoch':>13} {'passes/epoch':>12}"
    yield f"{'corpus':{width}} {heads}"
    quantities = temperature.quantities([len(stream) for stream in streams], [stream.tokens for stream in streams])
    q = quantities / quantities.sum()
    for stream, share, probability, count in zip(streams, q, p, counts, strict=True):
        yield (
            f"{stream.group:{width}} {len(stream):11,} {stream.tokens:14,} {share:7.4f} {probability:7.4f} "
            f"{count:13,} {count / len(stream):12.3f}"
        )
    samples, tokens = sum(len(stream) for stream in streams), sum(stream.tokens for stream in streams)
    yield (
        f"{'total':{width}} {samples:11,} {tokens:14,} {1:7.4f} {1:7.4f} {counts.sum():13,} "
        f"{counts.sum() / samples:12.3f}"
    )


def meaning(streams: Sequence[Stream], counts: np.ndarray, temperature: Temperature) -> str:
    """One line: what the temperature applies to, and the resulting share of pairs."""
    unit = "tokens" if temperature.by_tokens else "samples"
    length = f" / l^{temperature.beta:g}" if temperature.beta else ""
    formula = f"q^{temperature.alpha:g}{length}, q in {unit}"
    if temperature.by is SamplingBy.language:
        drawn = f"target languages are drawn by {formula}; corpora of one language in proportion to their {unit}"
    else:
        drawn = f"corpora are drawn by {formula}"
    pairs = np.array([stream.translation for stream in streams])
    share = f"; {100 * counts[pairs].sum() / counts.sum():.1f}% of the samples are pairs" if pairs.any() else ""
    return f"--sampling-by {temperature.by.name}: {drawn}{share}"


def too_many_passes(streams: Sequence[Stream], counts: np.ndarray) -> Iterator[str]:
    """A warning for each corpus that an epoch passes over more than :data:`MOST_PASSES` times."""
    for stream, count in zip(streams, counts, strict=True):
        if count > MOST_PASSES * len(stream):
            yield (
                f"{stream.group}: an epoch passes {count / len(stream):.1f} times over its {len(stream):,} samples; "
                "draw it less often with --sampling-by language, a higher --sampling-alpha or --translation-share, or "
                "shorten the epoch with --samples-per-epoch"
            )
