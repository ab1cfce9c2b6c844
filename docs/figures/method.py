"""Draw the method: ``python docs/figures/method.py`` writes method.svg next to this file (needs matplotlib)."""

from pathlib import Path

import matplotlib

matplotlib.use("svg")
matplotlib.rcParams.update({"svg.hashsalt": "swcm", "svg.fonttype": "path", "font.size": 9})
from matplotlib import pyplot  # noqa: E402
from matplotlib.axes import Axes  # noqa: E402
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch  # noqa: E402

Point = tuple[float, float]
COPIED, NEW, PLAIN = "#cfe3f5", "#fbe0c3", "#eeeeee"
ENCODER_X, DECODER_X, DETAIL_X, WIDTH, HEIGHT = 0.0, 3.6, 8.2, 2.2, 0.46
# The top three of twelve layers are enough to see the rule: after every X = 3 inherited layers one new layer.
DECODER = [("inherited 1", 1), ("inherited 2", 2), ("inherited 3", 3), ("normal (new)", None)]
BLOCKS = [
    ("self-attention", "self-attention"),
    ("FFN 1", "FFN"),
    ("cross-attention", "self-attention"),
    ("FFN 2", "FFN"),
]


def box(axes: Axes, x: float, y: float, text: str, color: str) -> None:
    """A rounded box with its lower left corner at (x, y)."""
    axes.add_patch(
        FancyBboxPatch((x, y), WIDTH, HEIGHT, boxstyle="round,pad=0.02,rounding_size=0.08", fc=color, ec="#444444")
    )
    axes.text(x + WIDTH / 2, y + HEIGHT / 2, text, ha="center", va="center")


def arrow(axes: Axes, start: Point, end: Point, color: str = "#444444", style: str = "-|>") -> None:
    """An arrow between two points."""
    axes.add_patch(
        FancyArrowPatch(
            start, end, arrowstyle=style, mutation_scale=9, color=color, lw=1.1, connectionstyle="arc3,rad=0.0"
        )
    )


def stacks(axes: Axes) -> None:
    """Encoder and decoder side by side, with the copies between them."""
    axes.text(ENCODER_X + WIDTH / 2, 4.35, "encoder (CINO, XLM-R, …)", ha="center", weight="bold")
    axes.text(DECODER_X + WIDTH / 2, 4.35, "decoder", ha="center", weight="bold")
    rows = {number: 1.0 + 0.75 * (number - 1) for number in (1, 2, 3)}
    for number, y in rows.items():
        box(axes, ENCODER_X, y, f"layer {number}", PLAIN)
    for row, (name, source) in enumerate(DECODER):
        y = 1.0 + 0.75 * row
        box(axes, DECODER_X, y, name, COPIED if source else NEW)
        if source:
            arrow(axes, (ENCODER_X + WIDTH, rows[source] + HEIGHT / 2), (DECODER_X, y + HEIGHT / 2), "#2b6cb0")
    axes.text(
        (ENCODER_X + WIDTH + DECODER_X) / 2, 3.05, "weights\nare copied", ha="center", color="#2b6cb0", fontsize=8
    )
    box(axes, ENCODER_X, 0.1, "embeddings", PLAIN)
    box(axes, DECODER_X, 0.1, "embeddings", PLAIN)
    arrow(axes, (ENCODER_X + WIDTH, 0.1 + HEIGHT / 2), (DECODER_X, 0.1 + HEIGHT / 2), "#2b6cb0", "<|-|>")
    axes.text((ENCODER_X + WIDTH + DECODER_X) / 2, 0.45, "shared", ha="center", color="#2b6cb0", fontsize=8)
    axes.text(ENCODER_X + WIDTH / 2, -0.32, "<s> <bo> text with [masks] </s>", ha="center", fontsize=8)
    axes.text(DECODER_X + WIDTH / 2, -0.32, "<s> <bo> text", ha="center", fontsize=8)
    for x, top in ((ENCODER_X, 3), (DECODER_X, 4)):
        for row in range(top):
            below = 0.1 if row == 0 else 1.0 + 0.75 * (row - 1)
            arrow(axes, (x + WIDTH / 2, below + HEIGHT), (x + WIDTH / 2, 1.0 + 0.75 * row))


def inherited_layer(axes: Axes) -> None:
    """What one inherited layer is made of, and from which block of the encoder each part starts."""
    axes.text(DETAIL_X + WIDTH / 2, 4.35, "one inherited layer", ha="center", weight="bold")
    for row, (name, source) in enumerate(BLOCKS):
        y = 1.0 + 0.75 * row
        box(axes, DETAIL_X, y, name, COPIED)
        axes.text(DETAIL_X + WIDTH + 0.15, y + HEIGHT / 2, f"from the encoder's\n{source}", va="center", fontsize=7.5)
        if row:
            arrow(axes, (DETAIL_X + WIDTH / 2, y - 0.75 + HEIGHT), (DETAIL_X + WIDTH / 2, y))
    axes.text(DETAIL_X + WIDTH / 2, 0.55, "each with its own residual and layer norm", ha="center", fontsize=7.5)
    arrow(axes, (DECODER_X + WIDTH, 2.5 + HEIGHT / 2), (DETAIL_X - 0.1, 3.25 + HEIGHT / 2), "#999999", "-")
    arrow(axes, (DECODER_X + WIDTH, 2.5 + HEIGHT / 2), (DETAIL_X - 0.1, 1.0 + HEIGHT / 2), "#999999", "-")


def main() -> None:
    """Write method.svg."""
    figure, axes = pyplot.subplots(figsize=(9.6, 4.0))
    stacks(axes)
    inherited_layer(axes)
    axes.set_xlim(-0.3, 12.6)
    axes.set_ylim(-0.6, 4.7)
    axes.set_aspect("equal")
    axes.axis("off")
    figure.savefig(Path(__file__).with_suffix(".svg"), bbox_inches="tight", metadata={"Date": None})


if __name__ == "__main__":
    main()
