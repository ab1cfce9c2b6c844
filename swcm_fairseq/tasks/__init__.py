from swcm_fairseq.tasks import multilingual_denoising_mt  # noqa: F401
