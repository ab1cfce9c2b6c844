"""How a step works: on how many processes, and where it writes what it leaves out."""

from dataclasses import dataclass
from pathlib import Path

from swcm_fairseq.options import option

from .schema import COUNT


@dataclass
class WorkOptions:
    """Options of every step; how many processes there are makes no difference to what is written."""

    workers: int = option(1, "processes that do the work", metavar="N", rule=COUNT)


@dataclass
class LineWorkOptions(WorkOptions):
    """Options of the steps that may leave lines or records out."""

    rejects: Path | None = option(
        None, "write FILE:LINE:REASON of everything that is left out: lines, records, paragraphs", metavar="FILE"
    )
