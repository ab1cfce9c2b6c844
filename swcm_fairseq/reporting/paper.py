"""The paper's tables, and where a run writes the number of each cell (paper_tables.yaml)."""

from dataclasses import dataclass, field
from pathlib import Path

import yaml

PAPER_TABLES = Path(__file__).with_name("paper_tables.yaml")


@dataclass(frozen=True)
class Column:
    """One number of every system.

    Attributes:
        heading: heading of the column.
        task: directory of the runs, below the directory of all runs.
        scores: name of the scores file, without ``.json``.
        value: title of the number in that file.
        suffix: added to the name of the row's run.
    """

    heading: str
    task: str
    scores: str
    value: str
    suffix: str = ""


@dataclass(frozen=True)
class Row:
    """One system.

    Attributes:
        system: its name in the paper.
        run: name of its runs; None for a system that has no recipe.
        paper: the paper's numbers, one per column, in percent; empty if it prints none.
    """

    system: str
    run: str | None = None
    paper: tuple[float, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table of the paper.

    Attributes:
        name: name of its files.
        title: its heading.
        columns: its numbers.
        rows: its systems.
        more_rows: prefix of the names of runs that get their own rows; empty for none.
        figure: label of the x axis, if the table is drawn: x is the system, y the number, one line per column.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    figure: str = ""
    more_rows: str = ""

    @property
    def in_paper(self) -> bool:
        """Does the paper print its numbers?"""
        return any(row.paper for row in self.rows)


@dataclass(frozen=True)
class Paper:
    """All tables and where they were published."""

    source: str
    tables: tuple[Table, ...] = field(default_factory=tuple)

    def scores_of(self, task: str, run: str) -> list[str]:
        """Names of the scores files that a run of ``task`` has when it is finished."""
        columns = [column for table in self.tables for column in table.columns if column.task == task]
        columns = [column for column in columns if run.endswith(column.suffix)]
        return list(dict.fromkeys(column.scores for column in columns))

    def has(self, task: str, run: str) -> bool:
        """Is there a cell for this run?"""
        return self.is_scored_only(task, run) or any(
            column.task == task and row.run is not None and row.run + column.suffix == run
            for table in self.tables
            for column in table.columns
            for row in table.rows
        )

    def is_scored_only(self, task: str, run: str) -> bool:
        """Is this run a row of ``more_rows``: outputs of another system, which was not trained here?"""
        return any(
            column.task == task and table.more_rows != "" and run.startswith(table.more_rows)
            for table in self.tables
            for column in table.columns
        )

    @property
    def tasks(self) -> list[str]:
        """Directories of all runs that write scores."""
        return list(dict.fromkeys(column.task for table in self.tables for column in table.columns))


def read_paper(path: Path = PAPER_TABLES) -> Paper:
    """Read the file; every row has as many numbers as there are columns, or none."""
    content = yaml.safe_load(path.read_text(encoding="utf-8"))
    return Paper(content["source"], tuple(_table(each) for each in content["tables"]))


def _table(content: dict) -> Table:
    columns = tuple(Column(**column) for column in content["columns"])
    rows = tuple(Row(**{**row, "paper": tuple(row.get("paper", ()))}) for row in content["rows"])
    for row in rows:
        if row.paper and len(row.paper) != len(columns):
            raise ValueError(f"{content['name']}: {row.system} has {len(row.paper)} numbers for {len(columns)} columns")
    return Table(
        content["name"], content["title"], columns, rows, content.get("figure", ""), content.get("more_rows", "")
    )
