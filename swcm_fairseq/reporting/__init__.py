"""Progress, scores, curves and the paper's tables, from the logs and scores of runs."""
