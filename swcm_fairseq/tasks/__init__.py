"""Tasks; importing this package registers them."""

from swcm_fairseq.tasks import classification_task, corpora_masked_lm, multilingual_denoising_mt  # noqa: F401
