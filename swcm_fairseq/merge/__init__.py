"""Model merging: several models trained from one become one, without training (``swcm merge``)."""
