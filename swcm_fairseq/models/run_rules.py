"""Which options of a model fairseq's data parallelism and half precision can serve."""

from collections.abc import Iterator
from dataclasses import dataclass

from swcm_fairseq.run_options import RunOptions

PYTORCH_DDP = ("pytorch_ddp", "c10d")  # two names of torch's own, which leaves missing gradients missing


@dataclass(frozen=True)
class GradientUse:
    """What a model does with gradients.

    Attributes:
        frozen: some parameters get none during the first updates.
        dropped: some layers get none in some updates.
        shared: some parameters are used more than once in an update.
        recomputed: activations are recomputed in the backward pass.
        weight_decay: the optimizer's; None if unknown.
    """

    frozen: bool
    dropped: bool
    shared: bool
    recomputed: bool
    weight_decay: float | None


def run_rules(run: RunOptions, use: GradientUse) -> Iterator[tuple[bool, str]]:
    """Each rule: whether it is broken, and the message for that case."""
    decays_frozen = use.frozen and use.weight_decay != 0
    yield (
        (use.frozen or use.dropped) and not _finds_unused_parameters(run),
        "freezing and layerdrop leave parameters without gradient: with several processes add --find-unused-parameters",
    )
    yield (
        decays_frozen and _half_precision_copies(run),
        "fairseq's half-precision optimizer applies --weight-decay to frozen parameters, too: give --weight-decay 0 or "
        "no freezing",
    )
    yield (
        decays_frozen and _many_processes(run) and run.ddp_backend not in PYTORCH_DDP,
        f"--ddp-backend {run.ddp_backend} makes the optimizer apply --weight-decay to frozen parameters, too: "
        "give --ddp-backend pytorch_ddp --find-unused-parameters, --weight-decay 0, or no freezing",
    )
    yield (
        use.recomputed
        and _many_processes(run)
        and run.ddp_backend in PYTORCH_DDP
        and (use.shared or run.find_unused_parameters is True),
        "--checkpoint-activations hides from DistributedDataParallel which parameters are used, or used twice: "
        "for shared, frozen or dropped layers give --ddp-backend legacy_ddp",
    )
    yield (
        run.amp is True,
        "--amp: fairseq divides clipped gradients by the loss scale twice; give --fp16, or --bf16 to swcm train",
    )


def _half_precision_copies(run: RunOptions) -> bool:
    """Whether fairseq keeps copies of the parameters in full precision, whose missing gradients become zeros."""
    # "is True": a configuration made without fairseq's commands still has the interpolations.
    half = run.fp16 is True or run.bf16 is True
    return half and not (run.memory_efficient_fp16 is True or run.memory_efficient_bf16 is True)


def _many_processes(run: RunOptions) -> bool:
    return isinstance(run.distributed_world_size, int) and run.distributed_world_size > 1


def _finds_unused_parameters(run: RunOptions) -> bool:
    """Whether this run's data parallelism accepts parameters without gradient."""
    return not _many_processes(run) or run.find_unused_parameters or run.ddp_backend not in PYTORCH_DDP
