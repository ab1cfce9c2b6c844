"""XLM-SWCM for fairseq: a multilingual encoder becomes an encoder-decoder that writes.

``fairseq-train --user-dir swcm_fairseq`` imports this package, which registers the architectures
``xlm_swcm*``, the task ``multilingual_denoising_mt``, the criterion and the scorers.
"""

from swcm_fairseq.errors import install_excepthook

install_excepthook()  # first of all: the imports below take seconds, in which Ctrl-C may come

from swcm_fairseq.requirements_check import check  # noqa: E402

check()  # before anything that imports fairseq or torch

from swcm_fairseq import (  # noqa: E402
    checkpoint_types,  # noqa: F401  (lets weights_only=True read fairseq's checkpoints)
    criterions,  # noqa: F401
    models,  # noqa: F401
    optim,  # noqa: F401
    scoring,  # noqa: F401
    tasks,  # noqa: F401
)
from swcm_fairseq.checkpoint_writing import install as install_checkpoint_writing  # noqa: E402
from swcm_fairseq.command_help import add_to_fairseq_help  # noqa: E402

add_to_fairseq_help()
install_checkpoint_writing()

__version__ = "0.1.0"
