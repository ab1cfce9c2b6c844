"""XLM-SWCM for fairseq: a multilingual encoder becomes an encoder-decoder that writes.

``fairseq-train --user-dir swcm_fairseq`` imports this package, which registers the architectures
``xlm_swcm*``, the task ``multilingual_denoising_mt``, the criterion and the scorers.
"""

import sys

__version__ = "0.1.0"

# `python -m swcm_fairseq` prints a path. Python imports the package first, and registering takes seconds.
if sys.orig_argv[-2:] != ["-m", __name__]:
    from swcm_fairseq.errors import install_excepthook

    install_excepthook()  # first of all: the imports below take seconds, in which Ctrl-C may come

    from swcm_fairseq.requirements_check import check

    check()  # before anything that imports fairseq or torch

    from swcm_fairseq import (
        checkpoint_types,  # noqa: F401  (lets weights_only=True read fairseq's checkpoints)
        criterions,  # noqa: F401
        log_filters,
        models,  # noqa: F401
        optim,  # noqa: F401
        scoring,  # noqa: F401
        tasks,  # noqa: F401
    )
    from swcm_fairseq.checkpoint_writing import install as install_checkpoint_writing
    from swcm_fairseq.command_help import add_to_fairseq_help

    log_filters.install()
    add_to_fairseq_help()
    install_checkpoint_writing()
