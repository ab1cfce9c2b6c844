"""Pieces of a unigram model, and how they write a text without a space in front of it."""

from sentencepiece import SentencePieceProcessor


def piece_scores(processor: SentencePieceProcessor) -> dict[str, float]:
    """Log probability of every piece of a unigram model."""
    ids = range(processor.get_piece_size())
    pieces = [i for i in ids if not (processor.is_control(i) or processor.is_unknown(i))]
    return {processor.id_to_piece(i): processor.get_score(i) for i in pieces}


def best_split(text: str, scores: dict[str, float]) -> list[str]:
    """The most probable split of ``text`` into pieces; a character that no piece has stands alone.

    sentencepiece itself puts a space in front of what it splits, which is wrong for the inside of a word.
    """
    longest = max(map(len, scores))
    unknown = min(scores.values()) - 10.0  # sentencepiece's penalty
    best: list[tuple[float, int]] = [(0.0, 0)]  # per end: log probability, start of the last piece
    for end in range(1, len(text) + 1):
        starts = range(max(0, end - longest), end)
        known = [(best[i][0] + scores[text[i:end]], i) for i in starts if text[i:end] in scores]
        best.append(max([*known, (best[end - 1][0] + unknown, end - 1)]))
    pieces, end = [], len(text)
    while end > 0:
        start = best[end][1]
        pieces.append(text[start:end])
        end = start
    return pieces[::-1]
