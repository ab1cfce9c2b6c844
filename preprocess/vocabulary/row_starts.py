"""Which old rows initialize the row of a new piece: those of its translations, or of the pieces that spelled it before.

Initializing from translations is trans-tokenization (Remy et al. 2024, arXiv 2408.04303): the mean of the rows of a
piece's translations, weighted by probability. FOCUS and WECHSEL do the same with other sources of similar words.
"""

from itertools import pairwise

import numpy as np

from swcm_fairseq.data.segmentation import inside_words
from swcm_fairseq.interop.row_plans import ALIGNED, MEAN, SPLIT, Start

from .sentencepiece_models import ModelProto, is_special, processor_of
from .word_alignment import Links

TRANSLATIONS = 5  # most probable translations used per piece
MIN_LINKS = 0.5  # minimum expected number of links of a piece in the whole text


def means(old: ModelProto, added: dict[str, str]) -> dict[str, Start]:
    """Start every new piece from the old pieces that spell it, or from all old pieces if they cannot.

    Args:
        old: the old sentencepiece model.
        added: new piece -> language.
    """
    processor = inside_words(processor_of(old))
    starts = {}
    for piece, lang in added.items():
        ids = processor.encode(piece)
        if processor.unk_id() not in ids:
            starts[piece] = Start(lang, SPLIT, tuple((processor.id_to_piece(i), 1 / len(ids)) for i in ids))
        else:
            starts[piece] = Start(lang, MEAN)
    return starts


def translations(links: list[Links], model: ModelProto, added: dict[str, str]) -> dict[str, Start]:
    """Start new pieces from the old pieces they are linked to; pieces without links are not in the result.

    Words are linked only to words, and punctuation only to punctuation.

    Args:
        links: links of each parallel text, in sentencepiece ids of ``model``.
        model: the new sentencepiece model.
        added: new piece -> language.
    """
    names = [piece.piece for piece in model.pieces]
    is_new = np.array([name in added for name in names])
    is_old = np.array([not is_special(piece) for piece in model.pieces]) & ~is_new
    is_word = np.array([any(map(str.isalnum, name)) for name in names])
    new, known, count = _summed([_chosen(text, is_new, is_old, is_word) for text in links], len(names))
    starts = {}
    bounds = [*np.flatnonzero(np.diff(new, prepend=-1)), len(new)]
    for first, end in pairwise(bounds):
        total, best = count[first:end].sum(), slice(first, min(end, first + TRANSLATIONS))
        if total >= MIN_LINKS:
            weights = count[best] / count[best].sum()
            parts = tuple((names[i], weight) for i, weight in zip(known[best], weights.tolist(), strict=True))
            piece = names[new[first]]
            starts[piece] = Start(added[piece], ALIGNED, parts, float(total))
    return starts


def _chosen(links: Links, is_new: np.ndarray, is_old: np.ndarray, is_word: np.ndarray) -> Links:
    """The links between new and old pieces; the masks are bool, one value per sentencepiece id."""
    chosen = is_new[links.new] & is_old[links.known] & (is_word[links.new] == is_word[links.known]) & (links.count > 0)
    return Links(links.new[chosen], links.known[chosen], links.count[chosen], links.pairs)


def _summed(links: list[Links], pieces: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """New piece, known piece and count of each link, summed over texts; sorted by new piece, then by falling count."""
    if not links:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0)
    keys = np.concatenate([text.new * pieces + text.known for text in links])
    keys, place = np.unique(keys, return_inverse=True)
    count = np.bincount(place, np.concatenate([text.count for text in links]), len(keys))
    order = np.lexsort((keys % pieces, -count, keys // pieces))
    return keys[order] // pieces, keys[order] % pieces, count[order]
