"""The number of samples per corpus in an epoch, and the table that shows it when training starts."""

import logging
from collections.abc import Iterator, Sequence

import numpy as np

from swcm_fairseq.data.corpus_sampling import SamplingBy, Temperature, quotas, with_share
from swcm_fairseq.data.streams import Stream
from swcm_fairseq.errors import InputError

logger = logging.getLogger(__name__)

MOST_PASSES = 10  # passes over a corpus per epoch that cause no warning


def planned_counts(
    streams: Sequence[Stream],
    temperature: Temperature,
    samples_per_epoch: int | None = None,
    translation_share: float | None = None,
    language_share: tuple[str, float] | None = None,
) -> np.ndarray:
    """The number of samples per epoch from each stream, int64, shape (streams,); logs the table.

    The language of a stream is its target language.

    Args:
        streams: at least one.
        temperature: how streams are drawn.
        samples_per_epoch: total number of samples; None for as many as the streams have.
        translation_share: share of pairs; None leaves it to the temperature.
        language_share: a language and its share; None leaves it to the temperature.

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
    """The lines of the table: how corpora are drawn, then one row of sizes and probabilities per corpus."""
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
    """One line that says what the temperature applies to and the resulting share of pairs."""
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
    """A warning for each corpus that an epoch repeats more than :data:`MOST_PASSES` times."""
    for stream, count in zip(streams, counts, strict=True):
        if count > MOST_PASSES * len(stream):
            yield (
                f"{stream.group}: an epoch repeats its {len(stream):,} samples {count / len(stream):.1f} times; "
                "draw it less often with --sampling-by language, a higher --sampling-alpha or --translation-share, or "
                "shorten the epoch with --samples-per-epoch"
            )
