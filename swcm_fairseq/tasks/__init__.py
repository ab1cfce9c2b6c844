from swcm_fairseq.tasks import corpora_masked_lm, multilingual_denoising_mt  # noqa: F401
