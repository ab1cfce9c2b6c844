"""Read the output of ``fairseq-generate``: sources, references and hypotheses, restored to the order of the input."""

from dataclasses import dataclass
from pathlib import Path

from swcm_fairseq.errors import InputError
from swcm_fairseq.scoring.segment_files import read_lines

_KINDS = "STHD"  # S-7<tab>text, T-7<tab>text, H-7 and D-7<tab>score<tab>text; other lines are log
_SCORED = "HD"
MAX_SEGMENTS = 100_000_000  # more would not fit in memory


@dataclass
class Segment:
    """One segment of a generation.

    Attributes:
        id: position in the input, from 0.
        source: input text; ``None`` if the file contains no sources.
        reference: reference text; ``None`` if the file contains no references.
        hypothesis: the best hypothesis, detokenized.
        score: the model's score: mean log2 probability per token (with fairseq's default length penalty).
    """

    id: int
    source: str | None = None
    reference: str | None = None
    hypothesis: str | None = None
    score: float | None = None


def _parse_line(line: str, where: str) -> tuple[str, int, float | None, str] | None:
    """Kind, id, score and text of a line; ``None`` for log lines."""
    kind = line[:1]
    if line[1:2] != "-" or kind not in _KINDS:
        return None
    head, tab, rest = line.partition("\t")
    if not (tab and head[2:].isascii() and head[2:].isdigit()):
        return None
    if kind not in _SCORED:
        return kind, int(head[2:]), None, rest
    score, tab, text = rest.partition("\t")
    try:
        return kind, int(head[2:]), float(score), text
    except ValueError as error:
        raise InputError(
            f"{where}: {kind}- line without a score; the file is truncated or was edited: generate it again"
        ) from error


def _enter(segments: dict[int, Segment], line: tuple[str, int, float | None, str], where: str) -> None:
    """Add a parsed line to its segment; only the first hypothesis of a segment counts."""
    kind, number, score, text = line
    if number >= MAX_SEGMENTS:
        raise InputError(f"{where}: implausible segment number {number}; the file is damaged: generate it again")
    segment = segments.setdefault(number, Segment(number))
    if kind == "S":
        if segment.source is not None:
            raise InputError(f"{where}: second line S-{number}; give the output of a single run")
        segment.source = text
    elif kind == "T":
        segment.reference = text
    elif kind == "D" and segment.hypothesis is None:
        segment.hypothesis, segment.score = text, score


def read_generation(path: Path) -> list[Segment]:
    """The segments in an output file of ``fairseq-generate``, sorted by id.

    With ``--nbest``, the first (best) hypothesis of each segment is used, as in fairseq's scorers.

    Raises:
        InputError: the file cannot be read, has no hypotheses, or lacks the hypothesis of a segment (after an
            interrupted run).
    """
    segments: dict[int, Segment] = {}
    for number, text in enumerate(read_lines(path), start=1):
        where = f"{path}:{number}"
        line = _parse_line(text, where)
        if line is not None:
            _enter(segments, line, where)
    if not any(segment.hypothesis is not None for segment in segments.values()):
        raise InputError(
            f"{path}: no hypotheses (D- lines) of fairseq-generate; run it without --quiet, or give plain text files "
            "with --hyp"
        )
    without = [segment.id for segment in segments.values() if segment.hypothesis is None]
    if without:
        raise InputError(
            f"{path}: segment {without[0]} has no hypothesis (D- line); the run was interrupted: generate again"
        )
    return [segments[number] for number in sorted(segments)]


def missing_ids(segments: list[Segment]) -> list[int]:
    """Ids below the highest one that ``fairseq-generate`` left out (inputs that are too long, dropped batches)."""
    present = {segment.id for segment in segments}
    return [number for number in range(max(present)) if number not in present]


def references_of(segments: list[Segment], path: Path) -> list[str]:
    """The references of all segments; raises :class:`InputError` if the data had none."""
    for segment in segments:
        if segment.reference is None:
            raise InputError(f"{path}: segment {segment.id} has no reference (T- line); give the references with --ref")
    return [segment.reference or "" for segment in segments]
