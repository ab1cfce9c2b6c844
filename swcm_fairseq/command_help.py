"""``fairseq-train --user-dir swcm_fairseq --help`` also lists the options of this package.

fairseq prints its help before it adds the options of the chosen task, architecture and criterion, so it never shows
them. This module prints the options of this package after fairseq's help.
"""

import argparse
import atexit
import sys

from fairseq.criterions import CRITERION_DATACLASS_REGISTRY
from fairseq.dataclass.utils import gen_parser_from_dataclass
from fairseq.models import ARCH_MODEL_INV_REGISTRY, MODEL_DATACLASS_REGISTRY
from fairseq.optim import OPTIMIZER_DATACLASS_REGISTRY
from fairseq.optim.lr_scheduler import LR_SCHEDULER_DATACLASS_REGISTRY
from fairseq.scoring import SCORER_REGISTRY
from fairseq.tasks import TASK_DATACLASS_REGISTRY

from swcm_fairseq.running import Program, program

ARCHITECTURES = "xlm_swcm"  # the prefix of all our architectures
BASE = "xlm_swcm_base"


def sections() -> list[tuple[str, type]]:
    """(title with the flag that selects it, config dataclass) for each component with options."""
    names = sorted(name for archs in ARCH_MODEL_INV_REGISTRY.values() for name in archs)
    archs = ", ".join(name for name in names if name.startswith(ARCHITECTURES))
    return [
        ("--task multilingual_denoising_mt", TASK_DATACLASS_REGISTRY["multilingual_denoising_mt"]),
        ("--task corpora_masked_lm", TASK_DATACLASS_REGISTRY["corpora_masked_lm"]),
        (
            f"--arch, one of {archs}; defaults are those of {BASE}, {ARCHITECTURES} takes sizes from its encoder",
            MODEL_DATACLASS_REGISTRY[BASE],
        ),
        ("--criterion swcm_cross_entropy", CRITERION_DATACLASS_REGISTRY["swcm_cross_entropy"]),
        ("--optimizer fused_adamw", OPTIMIZER_DATACLASS_REGISTRY["fused_adamw"]),
        ("--lr-scheduler warmup_linear", LR_SCHEDULER_DATACLASS_REGISTRY["warmup_linear"]),
        ("--scoring rouge_l, rouge_1 or rouge_2", getattr(SCORER_REGISTRY["rouge_l"], "__dataclass")),
    ]


class _HelpFormatter(argparse.ArgumentDefaultsHelpFormatter):
    """Shows defaults, except "None" and "False", which the help texts explain."""

    def _get_help_string(self, action: argparse.Action) -> str | None:
        return action.help if action.default in (None, False) else super()._get_help_string(action)


def text() -> str:
    """The help text of all sections."""
    parts = []
    for title, dataclass in sections():
        parser = argparse.ArgumentParser(usage=argparse.SUPPRESS, add_help=False, formatter_class=_HelpFormatter)
        gen_parser_from_dataclass(parser.add_argument_group(f"options with {title}"), dataclass())
        parts.append(parser.format_help())
    return "\n".join(parts)


def add_to_fairseq_help() -> None:
    """Print :func:`text` after the help of a ``fairseq-*`` command, if it was requested."""
    if program() is Program.FAIRSEQ and {"-h", "--help"} & set(sys.argv[1:]):
        atexit.register(lambda: print("\n" + text()))
