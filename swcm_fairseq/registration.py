"""Importing this module registers everything with fairseq; ``--user-dir`` does so."""

from swcm_fairseq.errors import check_requirements, explain_with

check_requirements()  # before anything that imports fairseq or torch

from swcm_fairseq import (  # noqa: E402
    checkpoint_types,  # noqa: F401  (allows weights_only=True to read fairseq's checkpoints)
    checkpoint_writing,
    criterions,  # noqa: F401
    fairseq_errors,
    loader_shutdown,
    log_filters,
    models,  # noqa: F401
    optim,  # noqa: F401
    tasks,  # noqa: F401
)
from swcm_fairseq.command_help import add_to_fairseq_help  # noqa: E402
from swcm_fairseq.running import Program, program  # noqa: E402
from swcm_fairseq.scoring import fairseq_scorers  # noqa: E402, F401

explain_with(fairseq_errors.explained)
log_filters.install()
add_to_fairseq_help()
checkpoint_writing.install()
if program() is not Program.OTHER:  # do not change how a user's script exits
    loader_shutdown.install()
