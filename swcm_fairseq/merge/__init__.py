"""Model merging: several models trained from one become one, without training (``python -m swcm_fairseq.merge``)."""
