"""The table that training from scratch starts with: which tensors were copied, tied and new."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor, nn

from swcm_fairseq.errors import InputError
from swcm_fairseq.models.decoder import Decoder
from swcm_fairseq.models.encoder import Encoder
from swcm_fairseq.models.model_config import XLMSWCMConfig

KINDS = ("copied", "tied", "new")


class Startable(Protocol):
    """What is needed of a model to start its weights."""

    cfg: XLMSWCMConfig
    encoder: Encoder
    decoder: Decoder

    def parameters(self) -> Iterator[nn.Parameter]:
        """Each parameter once."""

    def named_parameters(self, *, remove_duplicate: bool) -> Iterator[tuple[str, nn.Parameter]]:
        """Parameters by name, tied ones under each of theirs unless ``remove_duplicate``."""


@dataclass
class StartReport:
    """Where every tensor came from.

    Attributes:
        source: where the weights come from; empty for random ones.
        copied: names of parameters that were copied; the others are new, or tied to an earlier one.
        rows: numbers of embedding rows, by what was done with them.
    """

    source: str = ""
    copied: set[str] = field(default_factory=set)
    rows: Counter = field(default_factory=Counter)
    _filled: dict[int, str] = field(default_factory=dict)

    def fill(self, name: str, parameter: nn.Parameter, tensor: Tensor, path: Path) -> None:
        """Copy ``tensor``; a parameter that is tied in the model must not receive two different tensors.

        Raises:
            InputError: it would.
        """
        first = self._filled.setdefault(id(parameter), name)
        if first == name:
            parameter.copy_(tensor)
            self.copied.add(name)
        elif not torch.equal(parameter, tensor.to(parameter)):
            raise InputError(f"{path}: {first} and {name} differ, but this architecture ties them; give its flags")

    def table(self, model: Startable) -> str:
        """Tensors by part of the model, embedding rows, number of parameters."""
        counts: dict[str, Counter] = {}
        seen: set[int] = set()
        for name, parameter in model.named_parameters(remove_duplicate=False):
            kind = "tied" if id(parameter) in seen else "copied" if name in self.copied else "new"
            seen.add(id(parameter))
            counts.setdefault(_part(model, name), Counter())[kind] += 1
        counts["all"] = sum(counts.values(), Counter())
        lines = [f"{'tensors':<28}" + "".join(f"{kind:>9}" for kind in KINDS)]
        for part, count in counts.items():
            lines.append(f"{part:<28}" + "".join(f"{count[kind]:>9,}" for kind in KINDS))
        if self.rows:
            lines.append("embedding rows: " + ", ".join(f"{count:,} {what}" for what, count in self.rows.items()))
        parameters = sum(parameter.numel() for parameter in model.parameters())
        lines.append(f"{parameters:,} parameters, started from {self.source or 'random weights'}")
        return "\n".join(lines)


def _part(model: Startable, name: str) -> str:
    half, rest = name.split(".", 1)
    if not rest.startswith("layers."):
        return f"{half} embeddings" + (" and output" if half == "decoder" else "")
    if half == "encoder":
        return "encoder layers"
    return f"decoder layers, {model.decoder.plan[int(rest.split('.')[1])].kind.value}"
