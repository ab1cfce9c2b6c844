"""Shared by all preprocessing steps: counts, processes, manifests and printing."""
