"""The order of decoder layers and the origin of their weights (paper sections 3.1.2 and 3.1.3, Figure 3)."""

from dataclasses import dataclass
from enum import Enum

from swcm_fairseq.errors import InputError


class LayerKind(Enum):
    """The structure and initialization of a decoder layer."""

    INHERITED = "inherit"  # self-attention, FFN1, cross-attention, FFN2; initialized from an encoder layer
    DUPLICATE = "duplicate"  # an inserted copy of the preceding inherited layer
    NORMAL = "normal"  # fairseq's decoder layer: self-attention, cross-attention, FFN; initialized at random


@dataclass(frozen=True)
class PlannedLayer:
    """One decoder layer.

    Attributes:
        kind: structure and initialization.
        encoder_layer: index of the encoder layer that the weights come from; None for a normal layer.
    """

    kind: LayerKind
    encoder_layer: int | None = None

    def __str__(self) -> str:
        return self.kind.value if self.encoder_layer is None else f"{self.kind.value} {self.encoder_layer}"


def layer_plan(
    encoder_layers: int,
    interval: int,
    *,
    end_with_inherited: bool = False,
    duplicate_inserted: bool = False,
    plain: bool = False,
) -> list[PlannedLayer]:
    """The decoder layers, first to last: n inherited layers, with one layer inserted after every ``interval`` of them.

    Args:
        encoder_layers: n, the number of encoder layers.
        interval: X in the paper, 0 to n; 0 inserts nothing (BASE-A).
        end_with_inherited: whether to insert no layer after the last group (as in the released code).
        duplicate_inserted: whether to insert duplicates of the preceding layer instead of normal layers (BASE-B).
        plain: whether to use n normal layers only (Cino-Transformer); ``interval`` is then ignored.

    Returns:
        n + floor(n / interval) layers; one fewer with ``end_with_inherited`` if ``interval`` divides n.

    Raises:
        InputError: ``interval`` is negative or larger than n.
    """
    if plain:
        return [PlannedLayer(LayerKind.NORMAL)] * encoder_layers
    if not 0 <= interval <= encoder_layers:
        raise InputError(
            f"--normal-layer-interval {interval}: give a number from 0 (no inserted layers) to {encoder_layers} "
            "(the number of encoder layers)"
        )
    plan = []
    for i in range(encoder_layers):
        plan.append(PlannedLayer(LayerKind.INHERITED, i))
        group_ends = interval > 0 and (i + 1) % interval == 0
        if group_ends and not (end_with_inherited and i + 1 == encoder_layers):
            plan.append(PlannedLayer(LayerKind.DUPLICATE, i) if duplicate_inserted else PlannedLayer(LayerKind.NORMAL))
    return plan


def describe(plan: list[PlannedLayer]) -> str:
    """The plan as one line: ``5 decoder layers: inherit 0, inherit 1, inherit 2, normal, inherit 3``."""
    return f"{len(plan)} decoder layers: " + ", ".join(map(str, plan))
