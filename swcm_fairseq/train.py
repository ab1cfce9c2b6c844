"""``python -m swcm_fairseq.train``: fairseq-train, with ``--bf16`` on GPUs and CPUs.

fairseq-train takes ``--bf16`` and ``--memory-efficient-bf16`` to mean TPUs (``fairseq.options.parse_args_and_arch``),
although its trainer and optimizer serve both on GPUs; fairseq-hydra-train does not, but has no command line of flags.
"""

from contextlib import ExitStack

import torch
from fairseq import options
from fairseq.dataclass.utils import convert_namespace_to_omegaconf
from fairseq.distributed.utils import call_main

from swcm_fairseq import log_filters
from swcm_fairseq.errors import run_command


def main() -> None:
    """fairseq-train's ``cli_main``, and no TPUs."""
    log_filters.forget_handlers()
    from fairseq_cli.train import main as train

    args = options.parse_args_and_arch(options.get_training_parser())
    args.tpu = False
    with ExitStack() as profilers:
        if args.profile:
            profilers.enter_context(torch.cuda.profiler.profile())
            profilers.enter_context(torch.autograd.profiler.emit_nvtx())
        call_main(convert_namespace_to_omegaconf(args), train)


if __name__ == "__main__":
    run_command(main)
