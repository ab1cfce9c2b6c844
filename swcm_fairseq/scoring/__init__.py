"""Scores that state their own definition; :mod:`swcm_fairseq.scoring.fairseq_scorers` registers them with fairseq."""
