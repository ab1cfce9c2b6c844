"""Criterions; importing this package registers them."""

from swcm_fairseq.criterions import swcm_cross_entropy  # noqa: F401
