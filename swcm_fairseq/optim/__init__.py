"""Optimizer and learning-rate schedule; importing this package registers them."""

from swcm_fairseq.optim import fused_adamw, warmup_linear  # noqa: F401
