"""``torch.compile``: check whether it works on this machine, and compile single layers."""

import importlib.util
import os
import shutil
from functools import cache

import torch
from torch import nn

BACKEND = "inductor"  # the backend for layers
_GRAPHS = 64  # maximum graphs per layer class: with and without padding, with and without gradient, training or not
# Device -> environment variable that names a compiler, and the default compilers.
_COMPILERS = {"cpu": ("CXX", ("g++", "clang++")), "cuda": ("CC", ("gcc", "clang", "cc"))}


@cache
def compile_problem(device_type: str) -> str:
    """A description of what ``torch.compile`` is missing for ``cpu`` or ``cuda``; empty if nothing."""
    variable, names = _COMPILERS[device_type]
    given = os.environ.get(variable)
    if not any(map(shutil.which, [given] if given else names)):
        return f"no compiler ({given or ', '.join(names)}) is installed"
    if device_type == "cuda" and importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    return ""


def compile_layer(layer: nn.Module, checkpointed: bool) -> None:
    """Compile ``layer`` for any shape when it is first called; its parameters keep their names.

    All layers of a class share their graphs. If the layer is ``checkpointed``, it will be wrapped later, so only its
    ``forward`` is compiled, to keep the wrapper outside the graph.
    """
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _GRAPHS)
    if checkpointed:
        layer.forward = torch.compile(layer.forward, dynamic=True, backend=BACKEND)  # type: ignore[method-assign]
    else:
        layer.compile(dynamic=True, backend=BACKEND)
