"""Allow torch's safe loader (``weights_only=True``, the default since 2.6) to read what fairseq saves and sends.

Only plain containers are allowed; a pickle with anything else is refused.
"""

from collections import defaultdict
from typing import Any

import torch
from fairseq.distributed.utils import _TensorPlaceholder
from omegaconf import DictConfig, ListConfig
from omegaconf.base import ContainerMetadata, Metadata
from omegaconf.nodes import AnyNode

import swcm_fairseq.interop.files  # noqa: F401  (allows the types in files)

# When a run with several processes resumes, the first process reads the file and sends it to the others, with the
# configuration in omegaconf's containers and a placeholder for each tensor.
SENT_TYPES: list[Any] = [
    AnyNode,
    Any,
    ContainerMetadata,
    DictConfig,
    ListConfig,
    Metadata,
    _TensorPlaceholder,
    defaultdict,
    dict,
    int,
    list,
]

torch.serialization.add_safe_globals(SENT_TYPES)
