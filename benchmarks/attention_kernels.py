"""Find the fastest SDPA kernel at the shapes of a training step, with and without a mask, forward and backward.

    python benchmarks/attention_kernels.py                                               # a CPU, small
    python benchmarks/attention_kernels.py --device cuda --precision bf16 --sentences 75 --tokens 256 \\
        --heads 12 --width 64

The cases are self-attention in the encoder and cross-attention, both without padding and with 20% padding, and causal
self-attention in the decoder. Enter the results in KERNELS in swcm_fairseq/models/attention.py.
"""

import argparse
import statistics
from functools import partial

import measure
import torch
import torch.nn.functional as F
from contestants import PRECISIONS
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from swcm_fairseq.errors import run_command

# The names in torch. On a CPU, "flash" is the CPU kernel, and torch refuses all others except "plain".
KERNELS = {
    "flash": SDPBackend.FLASH_ATTENTION,
    "memory-efficient": SDPBackend.EFFICIENT_ATTENTION,
    "cuDNN": SDPBackend.CUDNN_ATTENTION,
    "plain": SDPBackend.MATH,
}
CASES = ("no mask", "mask of padding", "causal")


def step(case: str, parts: list[Tensor], mask: Tensor, dropout: float) -> None:
    """Run attention forward and backward."""
    blocked = mask if case == "mask of padding" else None
    query, key, value = parts
    F.scaled_dot_product_attention(query, key, value, blocked, dropout, is_causal=case == "causal").sum().backward()


def milliseconds(case: str, kernel: str, options: argparse.Namespace) -> float | None:
    """Median time of a step; None if the kernel refuses the case."""
    shape = options.sentences, options.heads, options.tokens, options.width
    dtype = PRECISIONS[options.precision]
    parts = [torch.randn(shape, device=options.device, dtype=dtype, requires_grad=True) for _ in range(3)]
    lengths = torch.linspace(options.tokens, 0.6 * options.tokens, options.sentences, device=options.device).long()
    mask = (torch.arange(options.tokens, device=options.device) < lengths[:, None])[:, None, None]
    once = partial(step, case, parts, mask, options.dropout)
    try:
        with sdpa_kernel([KERNELS[kernel]]):
            once()
            times = [measure.seconds(once, options.device) for _ in range(options.steps)]
    except RuntimeError:  # "No available kernel"
        return None
    return 1000 * statistics.median(times)


def build_parser() -> argparse.ArgumentParser:
    """The command line."""
    parser = measure.build_parser(__doc__, rounds=1)
    parser.add_argument("--precision", choices=tuple(PRECISIONS), default="fp32", help="precision (default: fp32)")
    for name, size, what in (
        ("sentences", 4, "sentences per batch"),
        ("tokens", 64, "tokens per sentence"),
        ("heads", 4, "attention heads"),
        ("width", 16, "width of a head"),
        ("steps", 10, "timed steps"),
    ):
        parser.add_argument(f"--{name}", type=int, default=size, metavar="N", help=f"{what} (default: {size})")
    parser.add_argument(
        "--dropout", type=float, default=0.1, metavar="P", help="dropout of attention weights (default: 0.1)"
    )
    return parser


def main() -> None:
    """Measure and write the report."""
    options = build_parser().parse_args()
    torch.set_num_threads(options.threads)
    times = {case: {kernel: milliseconds(case, kernel, options) for kernel in KERNELS} for case in CASES}
    rows = [[case, *("refused" if ms is None else f"{ms:.3f}" for ms in row.values())] for case, row in times.items()]
    measure.Report(
        title="Kernels of attention, ms forward and backward",
        device=options.device,
        settings=[
            f"{options.sentences} x {options.heads} heads x {options.tokens} x {options.width}, {options.precision}, "
            f"dropout {options.dropout}; median of {options.steps}",
        ],
        headers=["case", *KERNELS],
        rows=rows,
        raw=times,
    ).write(options.output, options.note)


if __name__ == "__main__":
    run_command(main)
