from swcm_fairseq.optim import fused_adamw, warmup_linear  # noqa: F401
