"""From data directories to batches: corpora, sampling, noise, datasets."""
