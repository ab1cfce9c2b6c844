from swcm_fairseq.optim import warmup_linear  # noqa: F401
