"""``swcm train``: fairseq-train with this plugin, and ``--bf16`` on GPUs and CPUs.

fairseq-train takes ``--bf16`` and ``--memory-efficient-bf16`` to mean TPUs (``fairseq.options.parse_args_and_arch``),
although its trainer and optimizer support both on GPUs. fairseq-hydra-train does not, but it has no flags.
"""

from contextlib import ExitStack
from typing import TYPE_CHECKING

from swcm_fairseq.errors import run_command
from swcm_fairseq.fairseq_command import print_full_help, read_options, register

if TYPE_CHECKING:
    from fairseq.dataclass.configs import FairseqConfig

DESCRIPTION = """Run fairseq-train with this plugin. DATA is a data directory written by swcm binarize or swcm run.
Unlike in fairseq-train, --bf16 works on GPUs and CPUs, not on TPUs."""
OPTIONS = """  --task multilingual_denoising_mt     denoising and translation, or fine-tuning on pairs
  --arch xlm_swcm --pretrained-encoder DIR     start from an encoder; DIR is written by swcm convert
  --finetune-from-model CHECKPOINT     or start from a trained model
  --criterion swcm_cross_entropy       large vocabularies, scheduled sampling
  --optimizer fused_adamw --lr 1e-4 --lr-scheduler warmup_linear
  --batch-size N --update-freq N --max-epoch N --fp16 | --bf16 --save-dir DIR
  --tensorboard-logdir DIR             curves for TensorBoard; --wandb-project NAME for Weights & Biases"""


def train(cfg: "FairseqConfig") -> None:
    """Run ``main`` of fairseq-train in each process; processes started by fairseq import this module again."""
    register()
    from fairseq_cli.train import main as fairseq_main

    fairseq_main(cfg)


def main() -> None:
    """Run ``cli_main`` of fairseq-train without TPUs."""
    full_help = read_options("train", DESCRIPTION, OPTIONS)
    register()
    import fairseq_cli.train  # noqa: F401  (sets up the log)
    import torch
    from fairseq import options
    from fairseq.dataclass.utils import convert_namespace_to_omegaconf
    from fairseq.distributed.utils import call_main

    if full_help:
        return print_full_help(options.get_training_parser)
    args = options.parse_args_and_arch(options.get_training_parser())
    args.tpu = False
    with ExitStack() as profilers:
        if args.profile:
            profilers.enter_context(torch.cuda.profiler.profile())
            profilers.enter_context(torch.autograd.profiler.emit_nvtx())
        call_main(convert_namespace_to_omegaconf(args), train)


if __name__ == "__main__":
    run_command(main)
