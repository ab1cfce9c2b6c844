"""Progress, scores, curves and the paper's tables, out of the logs and scores that runs leave."""
