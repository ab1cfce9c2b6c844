"""Model merging: combine several models trained from the same base, without training (``swcm merge``)."""
