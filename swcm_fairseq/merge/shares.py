"""The shares of each model that trimming and the election remove, as in Figure 4 of Tao et al. 2024."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tabulate import tabulate
from torch import Tensor

from swcm_fairseq.merge.merge_methods import in_conflict, lost

LEGEND = (
    "trimmed: percent of all parameters; in conflict, lost, kept by slack: percent of those that trimming kept "
    "(Tao et al. 2024, Figure 4)"
)


@dataclass
class Shares:
    """Numbers of parameters of one model; tied parameters count once.

    Attributes:
        parameters: all parameters.
        kept: parameters left after trimming (or dropping).
        conflict: kept parameters that have the opposite sign in another model.
        lost: kept parameters that the election discarded.
        slack: kept parameters that the slack variable saved.
    """

    parameters: int = 0
    kept: int = 0
    conflict: int = 0
    lost: int = 0
    slack: int = 0

    def percent(self) -> dict[str, float]:
        """The four shares in percent."""
        kept = max(self.kept, 1)
        return {
            "trimmed": 100 * (1 - self.kept / max(self.parameters, 1)),
            "in conflict": 100 * self.conflict / kept,
            "lost at the election": 100 * self.lost / kept,
            "kept by slack": 100 * self.slack / kept,
        }


def count(shares: Sequence[Shares], vectors: Sequence[Tensor], kept: Sequence[int], positive: Tensor | None) -> None:
    """Add the parameters of one tensor.

    Args:
        shares: counts of each model, which are updated.
        vectors: trimmed task vector of each model.
        kept: number of values of each vector left after trimming.
        positive: the elected signs; None without an election.
    """
    conflict = in_conflict(vectors)
    for share, vector, left in zip(shares, vectors, kept, strict=True):
        share.parameters += vector.numel()
        share.kept += left
        share.conflict += int((conflict & (vector != 0)).sum())
        if positive is not None:
            share.lost += int(lost(vector, positive).sum())


def table(paths: Sequence[Path], shares: Sequence[Shares], elects: bool, slack: bool) -> str:
    """The table of shares, one line per model."""
    wanted = ["trimmed", "in conflict", *(["lost at the election"] if elects else []), *(["kept by slack"] * slack)]
    rows = [
        [path, *(f"{share.percent()[name]:.2f}" for name in wanted)] for path, share in zip(paths, shares, strict=True)
    ]
    align = ["left", *("right" for _ in wanted)]
    return tabulate(rows, ["model", *wanted], disable_numparse=True, colalign=align) + f"\n{LEGEND}"
