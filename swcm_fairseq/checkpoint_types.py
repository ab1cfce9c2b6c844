"""Let torch's safe loader (``weights_only=True``, the default since 2.6) read fairseq's checkpoints.

Only plain containers are allowed; a pickle that names anything else is refused.
"""

from argparse import Namespace

import torch

torch.serialization.add_safe_globals([Namespace])
