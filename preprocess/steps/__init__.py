"""What the steps of preprocessing have in common: their counts, their processes, their manifest, what they print."""
