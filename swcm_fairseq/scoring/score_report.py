"""Format an evaluation as a table for the terminal, as Markdown or as JSON, and read it from JSON."""

import json
import re
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from unicodedata import east_asian_width

from swcm_fairseq.checked_data import checked, parse_json, read_text
from swcm_fairseq.errors import InputError
from swcm_fairseq.scoring.evaluation import Evaluation, SystemScores, Value


def _width(text: str) -> int:
    """Number of terminal columns that ``text`` takes."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _cell(value: Value | None) -> str:
    if value is None:
        return ""
    interval = "" if value.interval is None else f" ± {value.interval:.2f}"
    p_value = "" if value.p_value is None else f" (p = {value.p_value:.4f})"
    return f"{value.score:.2f}{interval}{p_value}"


def _rows(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """The heading and the rows of the table of scores: one column per system, one row per number."""
    numbers = list(evaluation.systems[0].values)
    heading = ["score", *(system.name for system in evaluation.systems)]
    rows = [[title, *(_cell(system.values.get(title)) for system in evaluation.systems)] for title in numbers]
    if any(system.empty for system in evaluation.systems):
        rows.append(["empty lines", *(str(system.empty) for system in evaluation.systems)])
    return heading, rows


def _legend(evaluation: Evaluation) -> str:
    """The meaning of the columns and signs of the table."""
    values = [value for system in evaluation.systems for value in system.values.values()]
    parts = [f"{evaluation.segments} lines, language {evaluation.language}; in percent"]
    if any(value.interval is not None for value in values):
        parts.append("± half of the bootstrap 95% interval")
    if any(value.p_value is not None for value in values):
        parts.append(f"p of the difference from {evaluation.systems[0].name} (approximate randomization)")
    return ", ".join(parts)


def _confusion(system: SystemScores) -> str:
    """``bo 46, zh 3, en 1``: languages if they were identified, otherwise scripts."""
    return ", ".join(f"{name} {count}" for name, count in (system.languages or system.scripts).items())


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain text table; the first column is left-aligned, the others are right-aligned."""
    widths = [max(_width(row[column]) for row in (heading, *rows)) for column in range(len(heading))]
    lines = []
    for row in (heading, ["-" * width for width in widths], *rows):
        padding = [" " * (width - _width(cell)) for width, cell in zip(widths, row, strict=True)]
        cells = [row[0] + padding[0], *(pad + cell for pad, cell in zip(padding[1:], row[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def _escape(text: str) -> str:
    """``text`` with Markdown's special characters escaped by a backslash."""
    return re.sub(r"([\\`*_{}\[\]<>#|])", r"\\\1", text)


def markdown_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first column is left-aligned, the others are right-aligned."""
    escaped = [[_escape(cell) for cell in row] for row in (heading, *rows)]
    escaped.insert(1, [":---", *("---:" for _ in heading[1:])])
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)


def as_text(evaluation: Evaluation) -> str:
    """The table of scores, the languages of the outputs, the notes, then one signature per line."""
    written = [f"{system.name} is written in: {_confusion(system)}" for system in evaluation.systems if system.scripts]
    notes = [f"note: {note}" for note in evaluation.notes]
    blocks = [_legend(evaluation), table(*_rows(evaluation)), "\n".join(written + notes)]
    return "\n\n".join([*filter(None, blocks), "\n".join(_signatures(evaluation))]) + "\n"


def as_markdown(evaluation: Evaluation) -> str:
    """The same content as Markdown, for a report or an issue."""
    written = [
        f"{_escape(system.name)} is written in: {_confusion(system)}" for system in evaluation.systems if system.scripts
    ]
    items = [*written, *evaluation.notes, *(f"`{signature}`" for signature in _signatures(evaluation))]
    listed = "\n".join(f"- {item}" for item in items)
    return f"{markdown_table(*_rows(evaluation))}\n\n{_escape(_legend(evaluation))}.\n\n{listed}\n"


def _signatures(evaluation: Evaluation) -> list[str]:
    """Signatures that begin with the name of the metric: ours already do, sacreBLEU's get it as a prefix."""
    return [
        signature if signature.startswith(f"{name}|") else f"{name}|{signature}"
        for name, signature in evaluation.signatures.items()
    ]


def as_json(evaluation: Evaluation) -> str:
    """The same content as JSON, unrounded; the keys are the attributes of :class:`Evaluation`."""
    return json.dumps(asdict(evaluation), ensure_ascii=False, indent=2) + "\n"


def read_json(path: Path) -> Evaluation:
    """Read a file with the output of :func:`as_json`.

    Raises:
        InputError: the file does not exist, or contains something else.
    """
    again = "score again: swcm score --format json"
    try:
        evaluation = checked(parse_json(read_text(path), path), Evaluation, str(path))
    except InputError as error:
        raise InputError(f"{error}; damaged, or not a scores file: delete it and {again}") from error
    if not evaluation.systems:
        raise InputError(f"{path}: contains no scores; {again}")
    return evaluation
