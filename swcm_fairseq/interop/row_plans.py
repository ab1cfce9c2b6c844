"""Plans for initializing the embedding rows of new pieces, made before any table is read."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from swcm_fairseq.checkpoint_state import Options

INIT_STD = 0.02  # standard deviation of new rows and matrices, as in the code of BERT, RoBERTa and XLM-R
EXAMPLES = 20
ALIGNED, SPLIT, MEAN, RANDOM = (
    "mean of their translations",
    "mean of the old pieces that spell them",
    "mean of all old pieces",
    "random",
)


@dataclass(frozen=True)
class Start:
    """The start of the row of a new piece.

    Attributes:
        lang: the language that the piece was added for.
        kind: :data:`ALIGNED`, :data:`SPLIT` or :data:`MEAN`.
        parts: old pieces and their weights, which sum to 1; empty for the mean of all old pieces.
        links: expected number of links to its translations.
    """

    lang: str
    kind: str
    parts: tuple[tuple[str, float], ...] = ()
    links: float = 0.0


@dataclass
class NewRows:
    """How all new rows of an encoder start.

    Attributes:
        starts: piece -> start; other pieces start at random.
        push_apart: see :func:`started_rows`.
        texts: counts for each parallel text, for the report.
        std: standard deviation of random rows.
    """

    starts: dict[str, Start] = field(default_factory=dict)
    push_apart: float = 0.0
    texts: Sequence[Mapping[str, object]] = field(default_factory=list)
    std: float = INIT_STD

    def report(self, new: Iterable[str]) -> Options:
        """Number of ``new`` symbols by kind of start, and the translations with the most links."""
        kinds = Counter(dict.fromkeys((ALIGNED, SPLIT, MEAN, RANDOM), 0))
        kinds.update(self.starts[symbol].kind if symbol in self.starts else RANDOM for symbol in new)
        aligned = [(piece, start) for piece, start in self.starts.items() if start.kind == ALIGNED]
        examples = [
            {"piece": piece, "links": round(start.links, 1), "translations": {p: round(w, 3) for p, w in start.parts}}
            for piece, start in sorted(aligned, key=lambda item: -item[1].links)[:EXAMPLES]
        ]
        return {
            "rows": dict(kinds),
            "std": self.std,
            "push_apart": self.push_apart,
            "texts": self.texts,
            "examples": examples,
        }
