"""The table logged when training starts from scratch: which tensors are copied, tied and new."""

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
    """The parts of a model that are needed to initialize its weights."""

    cfg: XLMSWCMConfig
    encoder: Encoder
    decoder: Decoder

    def parameters(self) -> Iterator[nn.Parameter]:
        """The parameters, each once."""

    def named_parameters(self, *, remove_duplicate: bool) -> Iterator[tuple[str, nn.Parameter]]:
        """Names and parameters; tied parameters occur under all their names unless ``remove_duplicate``."""


@dataclass
class StartReport:
    """Where every tensor comes from.

    Attributes:
        source: the file or directory with the weights; empty for random weights.
        missing: what is missing to start training, as a message; None if nothing is.
        copied: names of parameters that were copied; the others are new or tied to an earlier one.
        rows: number of embedding rows by treatment.
    """

    source: str = ""
    missing: str | None = None
    copied: set[str] = field(default_factory=set)
    rows: Counter = field(default_factory=Counter)
    _filled: dict[int, str] = field(default_factory=dict)

    def fill(self, name: str, parameter: nn.Parameter, tensor: Tensor, path: Path) -> None:
        """Copy ``tensor`` from the file ``path`` into ``parameter``.

        Raises:
            InputError: the parameter is tied and was already filled with a different tensor.
        """
        first = self._filled.setdefault(id(parameter), name)
        if first == name:
            parameter.copy_(tensor)
            self.copied.add(name)
        elif not torch.equal(parameter, tensor.to(parameter)):
            raise InputError(
                f"{path}: {first} and {name} differ, but this architecture ties them; give the flags that the file was "
                "trained with"
            )

    def table(self, model: Startable) -> str:
        """The table: tensors per part of the model, embedding rows, and the number of parameters."""
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
