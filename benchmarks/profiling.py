"""Profile a call with torch's profiler, and make a table by operator for a report."""

from collections.abc import Callable
from typing import Any

import measure
import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile

ROWS = 12  # number of operators with a row of their own; the others share one


def summary(title: str, call: Callable[[], Any], device: str) -> str:
    """Profile ``call`` after one uncounted call; returns a heading and a Markdown table.

    The time of an operator excludes operators that it calls; it is kernel time on a GPU, otherwise processor time.
    """
    call()
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if device == "cuda" else [])]
    with profile(activities=activities, acc_events=True) as profiler:
        call()
        if device == "cuda":
            torch.cuda.synchronize()
    own = "self_device_time_total" if device == "cuda" else "self_cpu_time_total"
    # On a GPU, kernels are also events, but the time of operators already includes them.
    events = [event for event in profiler.key_averages() if event.device_type == DeviceType.CPU]
    operators = [(event.key, event.count, getattr(event, own)) for event in events]
    return "\n".join([f"{title}:", "", *rows(operators)])


def rows(operators: list[tuple[str, int, float]]) -> list[str]:
    """The lines of the table; ``operators`` are tuples of name, number of calls and microseconds."""
    total = sum(time for *_, time in operators)
    ordered = sorted((operator for operator in operators if operator[2]), key=lambda operator: -operator[2])
    shown, rest = ordered[:ROWS], ordered[ROWS:]
    if rest:
        shown = [*shown, (f"{len(rest)} others", sum(calls for _, calls, _ in rest), sum(time for *_, time in rest))]
    cells = [[name, f"{calls:,}", f"{time / 1e3:,.1f}", f"{time / total:.0%}"] for name, calls, time in shown]
    return measure.table(["operator", "calls", "ms", "share of the time"], cells)
