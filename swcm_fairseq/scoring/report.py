"""An evaluation as a table for the terminal, as Markdown or as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from unicodedata import east_asian_width

from swcm_fairseq.scoring.evaluation import Evaluation, Value


def _width(text: str) -> int:
    """Columns ``text`` takes in a terminal."""
    return sum(2 if east_asian_width(character) in "WF" else 1 for character in text)


def _cell(value: Value | None) -> str:
    if value is None:
        return ""
    return f"{value.score:.2f}" + ("" if value.interval is None else f" ± {value.interval:.2f}")


def _rows(evaluation: Evaluation) -> tuple[list[str], list[list[str]]]:
    """The heading and the rows of the table of scores: systems are columns, numbers are rows."""
    numbers = list(evaluation.systems[0].values)
    heading = ["score", *(system.name for system in evaluation.systems)]
    return heading, [[title, *(_cell(system.values.get(title)) for system in evaluation.systems)] for title in numbers]


def table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in plain text: the first column to the left, the others to the right."""
    widths = [max(_width(row[column]) for row in (heading, *rows)) for column in range(len(heading))]
    lines = []
    for row in (heading, ["-" * width for width in widths], *rows):
        padding = [" " * (width - _width(cell)) for width, cell in zip(widths, row, strict=True)]
        cells = [row[0] + padding[0], *(pad + cell for pad, cell in zip(padding[1:], row[1:], strict=True))]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)


def markdown_table(heading: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """The same as a Markdown table."""
    escaped = [[cell.replace("|", "\\|") for cell in row] for row in (heading, *rows)]
    escaped.insert(1, [":---", *("---:" for _ in heading[1:])])
    return "\n".join(f"| {' | '.join(row)} |" for row in escaped)


def as_text(evaluation: Evaluation) -> str:
    """The table of scores, then one signature a line."""
    intervals = any(value.interval is not None for system in evaluation.systems for value in system.values.values())
    note = ", ± half of the bootstrap 95% interval" if intervals else ""
    title = f"{evaluation.segments} lines, language {evaluation.language}; in percent{note}"
    signatures = "\n".join(f"{name}: {signature}" for name, signature in evaluation.signatures.items())
    return f"{title}\n\n{table(*_rows(evaluation))}\n\n{signatures}\n"


def as_markdown(evaluation: Evaluation) -> str:
    """The same for a report or an issue."""
    signatures = "\n".join(f"- {name}: `{signature}`" for name, signature in evaluation.signatures.items())
    return f"{markdown_table(*_rows(evaluation))}\n\n{evaluation.segments} lines.\n\n{signatures}\n"


def as_json(evaluation: Evaluation) -> str:
    """The same with all digits; the keys are the attributes of :class:`Evaluation`."""
    return json.dumps(asdict(evaluation), ensure_ascii=False, indent=2) + "\n"
