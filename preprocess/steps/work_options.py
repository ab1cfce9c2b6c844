"""Options of the work itself: the number of processes, and the file of what is left out."""

from dataclasses import dataclass
from pathlib import Path

from swcm_fairseq.options import option

from .schema import COUNT


@dataclass
class WorkOptions:
    """Options of every step; the output does not depend on the number of processes."""

    workers: int = option(1, "processes that do the work", metavar="N", rule=COUNT)


@dataclass
class LineWorkOptions(WorkOptions):
    """Options of the steps that may leave lines or records out."""

    rejects: Path | None = option(
        None, "write FILE:LINE:REASON of everything that is left out: lines, records, paragraphs", metavar="FILE"
    )
