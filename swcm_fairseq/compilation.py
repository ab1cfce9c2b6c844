"""``torch.compile``: whether it can work on this machine, and how layers are compiled one by one."""

import importlib.util
import os
import shutil
from functools import cache

import torch
from torch import nn

BACKEND = "inductor"  # of compiled layers
_GRAPHS = 64  # the most of one layer class: padded or not, with and without gradient, training or not
# The compilers of generated code, and the variable that names another.
_COMPILERS = {"cpu": ("CXX", ("g++", "clang++")), "cuda": ("CC", ("gcc", "clang", "cc"))}


@cache
def compile_problem(device_type: str) -> str:
    """A description of what ``torch.compile`` lacks for ``cpu`` or ``cuda``; empty if it lacks nothing."""
    variable, names = _COMPILERS[device_type]
    given = os.environ.get(variable)
    if not any(map(shutil.which, [given] if given else names)):
        return f"no compiler ({given or ', '.join(names)}) is installed"
    if device_type == "cuda" and importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    return ""


def compile_layer(layer: nn.Module, checkpointed: bool) -> None:
    """Have ``layer`` compiled when it is first called, for any shape; the names of its parameters stay.

    All layers of a class share their graphs. What is ``checkpointed`` is wrapped later: then only its forward is
    compiled, so that the wrapper stays outside of the graph.
    """
    torch._dynamo.config.recompile_limit = max(torch._dynamo.config.recompile_limit, _GRAPHS)
    if checkpointed:
        layer.forward = torch.compile(layer.forward, dynamic=True, backend=BACKEND)  # type: ignore[method-assign]
    else:
        layer.compile(dynamic=True, backend=BACKEND)
