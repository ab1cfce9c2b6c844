"""Whether ``torch.compile`` can work on this machine."""

import importlib.util
import os
import shutil
from functools import cache

# What the compilers of generated code are called, and the variable that names another.
_COMPILERS = {"cpu": ("CXX", ("g++", "clang++")), "cuda": ("CC", ("gcc", "clang", "cc"))}


@cache
def compile_problem(device_type: str) -> str:
    """What ``torch.compile`` lacks for ``cpu`` or ``cuda``, in words; empty if it has what it needs."""
    variable, names = _COMPILERS[device_type]
    given = os.environ.get(variable)
    if not any(map(shutil.which, [given] if given else names)):
        return f"no compiler ({given or ', '.join(names)}) is installed"
    if device_type == "cuda" and importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    return ""
