"""Options that do not affect the output: the number of processes, and the file that lists what is left out."""

from dataclasses import dataclass
from pathlib import Path

from swcm_fairseq.options import option

from .schema import COUNT


@dataclass
class WorkOptions:
    """Options of every step; the output does not depend on the number of processes."""

    workers: int = option(1, "number of worker processes", metavar="N", rule=COUNT)


@dataclass
class LineWorkOptions(WorkOptions):
    """Options of the steps that may leave out lines or records."""

    rejects: Path | None = option(
        None, "write FILE:LINE:REASON for every line, record or paragraph that is left out", metavar="FILE"
    )
