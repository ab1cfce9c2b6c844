"""What all steps of preprocessing share: counts, processes, manifests and printing."""
