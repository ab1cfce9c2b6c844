"""The model ``xlm_swcm`` and its named sizes; importing this package registers them."""

from swcm_fairseq.models.model import XLMSWCMModel

__all__ = ["XLMSWCMModel"]
