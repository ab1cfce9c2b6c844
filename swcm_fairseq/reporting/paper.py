"""The paper's tables, and the scores file of each cell (paper_tables.yaml)."""

from dataclasses import dataclass, field
from pathlib import Path

import yaml

PAPER_TABLES = Path(__file__).with_name("paper_tables.yaml")


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        heading: heading of the column.
        task: directory of the runs, below the directory of all runs.
        scores: name of the scores file, without ``.json``.
        value: name of the number in that file.
        suffix: text to append to the name of the row's run.
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
        system: name of the system in the paper.
        run: name of our runs of this system; None for a system without a recipe.
        paper: the paper's numbers in percent, one per column; empty if the paper has none.
    """

    system: str
    run: str | None = None
    paper: tuple[float, ...] = ()


@dataclass(frozen=True)
class Table:
    """One table of the paper.

    Attributes:
        name: base name of the files of the table.
        title: heading of the table.
        columns: the columns after the name of the system.
        rows: the systems.
        more_rows: prefix of the names of runs that get additional rows; empty if there are none.
        figure: label of the x axis, if the table is plotted with the systems on the x axis and one curve per column.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    figure: str = ""
    more_rows: str = ""

    @property
    def in_paper(self) -> bool:
        """Whether the paper contains the numbers of this table."""
        return any(row.paper for row in self.rows)


@dataclass(frozen=True)
class Paper:
    """All tables and their publication."""

    source: str
    tables: tuple[Table, ...] = field(default_factory=tuple)

    def scores_of(self, task: str, run: str) -> list[str]:
        """Names of the scores files of a finished run of ``task``."""
        columns = [column for table in self.tables for column in table.columns if column.task == task]
        columns = [column for column in columns if run.endswith(column.suffix)]
        return list(dict.fromkeys(column.scores for column in columns))

    def has(self, task: str, run: str) -> bool:
        """Whether a table has a cell for this run."""
        return self.is_scored_only(task, run) or any(
            column.task == task and row.run is not None and row.run + column.suffix == run
            for table in self.tables
            for column in table.columns
            for row in table.rows
        )

    def is_scored_only(self, task: str, run: str) -> bool:
        """Whether this run is an additional row (``more_rows``): outputs of a system that was not trained here."""
        return any(
            column.task == task and table.more_rows != "" and run.startswith(table.more_rows)
            for table in self.tables
            for column in table.columns
        )

    @property
    def tasks(self) -> list[str]:
        """Task directories of all runs with scores."""
        return list(dict.fromkeys(column.task for table in self.tables for column in table.columns))


def read_paper(path: Path = PAPER_TABLES) -> Paper:
    """Read the tables; raises :class:`ValueError` unless every row has one number per column, or none."""
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
