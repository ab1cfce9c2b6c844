"""Tables of the paper with our numbers next to the paper's, as Markdown, CSV and LaTeX."""

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tabulate import tabulate

from swcm_fairseq.reporting.paper import Row, Table
from swcm_fairseq.reporting.runs import Cell, Origin, Runs


@dataclass
class FilledTable:
    """A table and the numbers from our runs.

    Attributes:
        table: the paper's table.
        cells: one row per system, one cell per column; None without a finished run.
        source: publication of the paper's numbers.
    """

    table: Table
    cells: list[list[Cell | None]]
    source: str

    @property
    def origins(self) -> list[Origin]:
        """The distinct origins of the numbers; the position in the list is the number of the footnote."""
        return list(dict.fromkeys(cell.origin for row in self.cells for cell in row if cell is not None))

    def mark(self, cell: Cell) -> str:
        """The footnote mark of a cell."""
        return f"[{self.origins.index(cell.origin) + 1}]"


def fill(table: Table, runs: Runs, source: str) -> FilledTable:
    """Fill every cell of a table from the runs, and add the table's additional rows."""
    if table.more_rows:
        names = {run.name for column in table.columns for run in runs.directories(column.task)}
        more = sorted(name for name in names if name.startswith(table.more_rows))
        table = replace(table, rows=(*table.rows, *(Row(name.removeprefix(table.more_rows), name) for name in more)))
    cells = [[runs.cell(row, column) for column in table.columns] for row in table.rows]
    return FilledTable(table, cells, source)


def _text(filled: FilledTable) -> tuple[list[str], list[list[str]]]:
    """The heading and the rows: each number with interval and footnote mark, and the paper's number to its right."""
    table = filled.table
    heading = ["System"]
    for column in table.columns:
        heading += [column.heading, "paper"] if table.in_paper else [column.heading]
    rows = []
    for row, cells in zip(table.rows, filled.cells, strict=True):
        texts = [row.system]
        for i, cell in enumerate(cells):
            texts.append("" if cell is None else f"{cell} {filled.mark(cell)}")
            if table.in_paper:
                texts.append(f"{row.paper[i]:.1f}" if row.paper else "")
        rows.append(texts)
    return heading, rows


def legend(filled: FilledTable) -> str:
    """The meaning of the numbers and signs."""
    parts = ["In percent"]
    if any(cell is not None and cell.interval is not None for row in filled.cells for cell in row):
        parts.append("± half of the bootstrap 95% interval")
    if filled.table.in_paper:
        parts.append(f"paper: {filled.source}, which does not describe its tokenization")
    return "; ".join(parts) + "."


def warnings(filled: FilledTable) -> list[str]:
    """Warnings about numbers that cannot be compared because metric, tokenizer, version or test set differ."""
    if len(filled.origins) < 2:
        return []
    count = len(filled.origins)
    lines = [f"The numbers of this table have {count} signatures or test sets; compare only those with the same mark."]
    for i, column in enumerate(filled.table.columns):
        marks = sorted({filled.mark(cell) for row in filled.cells if (cell := row[i]) is not None})
        if len(marks) > 1:
            lines.append(
                f"{column.heading}: systems were scored in different ways ({', '.join(marks)}); "
                "score them in the same way."
            )
    return lines


def as_markdown(filled: FilledTable) -> str:
    """A heading, the table, its legend and one footnote per signature."""
    heading, rows = _text(filled)
    align = ["left", *("right" for _ in heading[1:])]
    table = tabulate(rows, heading, tablefmt="github", disable_numparse=True, colalign=align)
    notes = [f"- [{number}] `{origin}`" for number, origin in enumerate(filled.origins, 1)]
    items = "\n".join([*notes, *(f"- {line}" for line in warnings(filled))])
    return f"## {filled.table.title}\n\n{table}\n\n{legend(filled)}\n" + (f"\n{items}\n" if items else "")


def as_latex(filled: FilledTable) -> str:
    """A LaTeX ``table*``; needs the package booktabs."""
    heading, rows = _text(filled)
    align = ["left", *("right" for _ in heading[1:])]
    table = tabulate(rows, heading, tablefmt="latex_booktabs", disable_numparse=True, colalign=align)
    notes = [line.replace("%", r"\%") for line in (legend(filled), *warnings(filled))]
    notes += [rf"[{number}] \texttt{{\detokenize{{{origin}}}}}" for number, origin in enumerate(filled.origins, 1)]
    footer = "\\par\n".join(notes)
    return (
        "\\begin{table*}\n\\centering\n"
        f"\\caption{{{filled.table.title}}}\n\\label{{tab:{filled.table.name}}}\n"
        f"{table}\n\n\\footnotesize\\raggedright\n{footer}\n\\end{{table*}}\n"
    )


def as_csv(filled: FilledTable) -> str:
    """One line per system with, for each column, our number, its interval and signature, and the paper's; unrounded."""
    parts = ["", " ±", " signature", " paper"]
    heading = ["System", *(column.heading + part for column in filled.table.columns for part in parts)]
    rows: list[Sequence[object]] = [heading]
    for row, cells in zip(filled.table.rows, filled.cells, strict=True):
        line: list[object] = [row.system]
        for i, cell in enumerate(cells):
            line += ["", "", ""] if cell is None else [cell.score, _blank(cell.interval), cell.origin]
            line.append(row.paper[i] if row.paper else "")
        rows.append(line)
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def _blank(number: float | None) -> float | str:
    return "" if number is None else number


# File extension -> the function that writes it.
FORMATS = {".md": as_markdown, ".csv": as_csv, ".tex": as_latex}
