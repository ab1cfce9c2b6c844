"""Scores whose signatures define them; :mod:`swcm_fairseq.scoring.fairseq_scorers` registers them with fairseq."""
