"""How many updates an epoch has: said by the task, which makes the batches, and read by the schedule.

fairseq builds a learning-rate schedule from its own options and the optimizer alone, so a schedule in epochs has no
other way to know.
"""

_updates: int | None = None


def announce(updates: int | None) -> None:
    """Say that an epoch of the training set has so many updates; None: not known."""
    global _updates
    _updates = updates


def known_updates() -> int | None:
    """Updates in an epoch, or None if no task has said so."""
    return _updates
