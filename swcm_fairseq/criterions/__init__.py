"""Criterions; importing this package registers them."""

from swcm_fairseq.criterions import classification_criterion, fast_masked_lm, swcm_cross_entropy  # noqa: F401
