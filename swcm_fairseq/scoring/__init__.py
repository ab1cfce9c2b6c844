"""Scores that state their own definition: importing this package registers the scorers for ``--scoring``."""

from swcm_fairseq.scoring import fairseq_scorers  # noqa: F401
