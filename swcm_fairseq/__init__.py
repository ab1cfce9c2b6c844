"""XLM-SWCM for fairseq: a multilingual encoder becomes an encoder-decoder that writes.

``fairseq-train --user-dir swcm_fairseq`` imports this package, which registers the architectures
``xlm_swcm*``, the task ``multilingual_denoising_mt``, the criterion and the scorers. So does ``import swcm_fairseq`` in
a script. The commands of this project import what they need themselves: registering takes seconds.
"""

from swcm_fairseq.running import Program, program

__version__ = "0.1.0"

if program() is not Program.OTHER:
    from swcm_fairseq.errors import install_excepthook

    install_excepthook()  # first of all: importing the rest takes seconds, in which Ctrl-C may come

if program() is Program.OURS:
    from swcm_fairseq.log_filters import quiet_fairseq

    quiet_fairseq()
else:
    from swcm_fairseq import registration  # noqa: F401
