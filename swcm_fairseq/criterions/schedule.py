"""Schedules that reduce teacher forcing during training (Bengio et al. 2015, section 2.4)."""

import math
from dataclasses import dataclass
from enum import Enum

from swcm_fairseq.errors import InputError


class Unit(Enum):
    """The unit in which the start and end of the decay are given."""

    updates = "updates"
    epochs = "epochs"


class Decay(Enum):
    """The curve from 1 to the final ratio."""

    linear = "linear"
    exponential = "exponential"
    inverse_sigmoid = "inverse_sigmoid"


# Steepness: the exponential curve completes 1 - 1/e of the decrease in the first fifth of the way; before rescaling,
# the inverse sigmoid is within 1% of its limits at both ends.
_EXPONENTIAL_RATE = 5.0
_SIGMOID_RATE = 10.0


def _decayed_share(decay: Decay, x: float) -> float:
    """The completed share of the decay at ``x`` of the way; 0 at 0 and 1 at 1 for every curve."""
    if decay is Decay.linear:
        return x
    if decay is Decay.exponential:
        return math.expm1(-_EXPONENTIAL_RATE * x) / math.expm1(-_EXPONENTIAL_RATE)

    def sigmoid(value: float) -> float:
        return 1.0 / (1.0 + math.exp(-_SIGMOID_RATE * (value - 0.5)))

    return (sigmoid(x) - sigmoid(0.0)) / (sigmoid(1.0) - sigmoid(0.0))


@dataclass(frozen=True)
class TeacherForcingSchedule:
    """The share of reference tokens in the decoder input, as a pure function of the position in training.

    Attributes:
        decay: the curve.
        start: position (updates or epochs) up to which the ratio is 1.
        end: position from which the ratio is ``final_ratio``.
        final_ratio: in [0, 1]; 1 is teacher forcing throughout.

    Raises:
        InputError: the ratio is outside [0, 1], a bound is negative, or the decay ends before it starts.
    """

    decay: Decay
    start: float
    end: float
    final_ratio: float

    def __post_init__(self) -> None:
        if not 0.0 <= self.final_ratio <= 1.0:
            raise InputError(f"--teacher-forcing-final-ratio {self.final_ratio}: give a number from 0 to 1")
        if self.constant:
            return
        if not self.start >= 0:  # also rejects nan
            raise InputError(f"--teacher-forcing-decay-start {self.start:g}: give 0 or more")
        if not self.end > self.start:
            raise InputError(
                f"the decay of teacher forcing starts at {self.start:g} but ends at {self.end:g}; set "
                "--teacher-forcing-decay-end to a number above --teacher-forcing-decay-start"
            )

    @property
    def constant(self) -> bool:
        """Whether the ratio is always 1."""
        return self.final_ratio == 1.0

    def ratio(self, position: float) -> float:
        """The share of reference tokens at ``position``, in [final_ratio, 1]."""
        if self.constant or position <= self.start:
            return 1.0
        if position >= self.end:
            return self.final_ratio
        x = (position - self.start) / (self.end - self.start)
        return 1.0 - (1.0 - self.final_ratio) * _decayed_share(self.decay, x)
