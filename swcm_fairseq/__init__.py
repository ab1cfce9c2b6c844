"""XLM-SWCM for fairseq: turn a multilingual encoder into an encoder-decoder that generates text.

``fairseq-train --user-dir swcm_fairseq``, like ``import swcm_fairseq`` in a script, imports this package, which
registers its architectures, tasks, criterions, optimizer, learning-rate schedule and scorers with fairseq. The commands
of this project skip registration, which takes seconds, and import only what they need.
"""

from swcm_fairseq.running import Program, program
from swcm_fairseq.version import __version__ as __version__

if program() is not Program.OTHER:
    from swcm_fairseq.errors import install_excepthook

    install_excepthook()  # first, because importing the rest takes seconds, during which the user may press Ctrl-C

if program() is Program.OURS:
    from swcm_fairseq.log_filters import quiet_fairseq

    quiet_fairseq()
else:
    from swcm_fairseq import registration  # noqa: F401
