"""``swcm train``: fairseq-train with this plugin, and ``--bf16`` on GPUs and CPUs.

fairseq-train takes ``--bf16`` and ``--memory-efficient-bf16`` to mean TPUs (``fairseq.options.parse_args_and_arch``),
although its trainer and optimizer serve both on GPUs; fairseq-hydra-train does not, but has no command line of flags.
"""

from contextlib import ExitStack
from typing import TYPE_CHECKING

from swcm_fairseq.errors import run_command
from swcm_fairseq.fairseq_command import print_full_help, read_options, register

if TYPE_CHECKING:
    from fairseq.dataclass.configs import FairseqConfig

DESCRIPTION = """fairseq-train with this plugin. DATA is a data directory of swcm binarize or swcm run. Unlike
fairseq-train, it takes --bf16 to mean GPUs and CPUs, not TPUs."""
OPTIONS = """  --task multilingual_denoising_mt     denoising and translation, or fine-tuning on pairs
  --arch xlm_swcm --pretrained-encoder DIR     what the model starts from; DIR is written by swcm convert
  --finetune-from-model CHECKPOINT     or a trained model
  --criterion swcm_cross_entropy       scheduled sampling, over a large vocabulary
  --optimizer fused_adamw --lr 1e-4 --lr-scheduler warmup_linear
  --batch-size N --update-freq N --max-epoch N --fp16 | --bf16 --save-dir DIR
  --tensorboard-logdir DIR             curves for TensorBoard; --wandb-project NAME for Weights & Biases"""


def train(cfg: "FairseqConfig") -> None:
    """fairseq-train's ``main``, in each process; those that fairseq starts itself import this module anew."""
    register()
    from fairseq_cli.train import main as fairseq_main

    fairseq_main(cfg)


def main() -> None:
    """fairseq-train's ``cli_main``, and no TPUs."""
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
