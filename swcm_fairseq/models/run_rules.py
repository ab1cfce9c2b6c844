"""Rules for model options that do not work with fairseq's data parallelism or half precision."""

from collections.abc import Iterator
from dataclasses import dataclass

from swcm_fairseq.run_options import RunOptions

PYTORCH_DDP = ("pytorch_ddp", "c10d")  # two names for torch's DDP, which does not fill in missing gradients


@dataclass(frozen=True)
class GradientUse:
    """How a model uses gradients.

    Attributes:
        frozen: whether some parameters get no gradient in the first updates.
        dropped: whether some layers get no gradient in some updates.
        shared: whether some parameters are used more than once per update.
        recomputed: whether activations are recomputed in the backward pass.
        weight_decay: weight decay of the optimizer; None if unknown.
    """

    frozen: bool
    dropped: bool
    shared: bool
    recomputed: bool
    weight_decay: float | None


def run_rules(run: RunOptions, use: GradientUse) -> Iterator[tuple[bool, str]]:
    """For each rule, whether it is broken, and the message for that case."""
    decays_frozen = use.frozen and use.weight_decay != 0
    yield (
        (use.frozen or use.dropped) and not _finds_unused_parameters(run),
        "freezing and layerdrop leave parameters without gradient; with several processes, add "
        "--find-unused-parameters",
    )
    yield (
        decays_frozen and _half_precision_copies(run),
        "fairseq's half-precision optimizer applies --weight-decay even to frozen parameters; set --weight-decay 0 or "
        "do not freeze parameters",
    )
    yield (
        decays_frozen and _many_processes(run) and run.ddp_backend not in PYTORCH_DDP,
        f"--ddp-backend {run.ddp_backend} makes the optimizer apply --weight-decay even to frozen parameters; set "
        "--ddp-backend pytorch_ddp --find-unused-parameters or --weight-decay 0, or do not freeze parameters",
    )
    yield (
        use.recomputed
        and _many_processes(run)
        and run.ddp_backend in PYTORCH_DDP
        and (use.shared or run.find_unused_parameters is True),
        "--checkpoint-activations hides from DistributedDataParallel which parameters are used, or used twice; "
        "with shared, frozen or dropped layers, set --ddp-backend legacy_ddp",
    )
    yield (
        run.amp is True,
        "--amp: fairseq divides clipped gradients by the loss scale twice; use --fp16, or --bf16 with swcm train",
    )


def _half_precision_copies(run: RunOptions) -> bool:
    """Whether fairseq keeps full-precision copies of the parameters, whose missing gradients become zeros."""
    # "is True", because a configuration created without fairseq's commands still contains interpolations.
    half = run.fp16 is True or run.bf16 is True
    return half and not (run.memory_efficient_fp16 is True or run.memory_efficient_bf16 is True)


def _many_processes(run: RunOptions) -> bool:
    return isinstance(run.distributed_world_size, int) and run.distributed_world_size > 1


def _finds_unused_parameters(run: RunOptions) -> bool:
    """Whether the data parallelism of this run accepts parameters without gradient."""
    return not _many_processes(run) or run.find_unused_parameters or run.ddp_backend not in PYTORCH_DDP
