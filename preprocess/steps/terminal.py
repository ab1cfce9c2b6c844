"""Print tables, percentages and the next command to the terminal."""

from collections.abc import Sequence

from tabulate import tabulate


def print_next(command: str) -> None:
    """Print the next command after an empty line."""
    print(f"\nnext: {command}")


def print_table(headers: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Print an aligned table; numbers get thousands separators and are right-aligned."""
    text = [[f"{cell:,}" if isinstance(cell, int) else str(cell) for cell in row] for row in rows]
    right = [all(cell[:1].isdigit() or cell == "-" for cell in column) for column in zip(*text, strict=True)]
    align = ["right" if number else "left" for number in right] or None
    print(tabulate(text, headers, tablefmt="simple", disable_numparse=True, colalign=align))


def percent(part: int, whole: int) -> str:
    """``part`` as a percentage of ``whole``; "-" if ``whole`` is 0."""
    return f"{100 * part / whole:.2f}%" if whole else "-"
