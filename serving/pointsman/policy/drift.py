"""Whether recent tasks are of the calibration data's kind, judged by many novelties at once."""

import math
from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np

from pointsman.errors import InvalidInput

FEWEST_TASKS: Final = 30
_LEVEL: Final = 0.01


class Drift(msgspec.Struct, frozen=True):
    """The greatest gap between two distributions of novelty, and the gap that chance explains; both are shares."""

    distance: float
    limit: float
    tasks: int

    @property
    def has_drifted(self) -> bool:
        """Whether chance doesn't explain the gap."""
        return self.distance > self.limit


def novelty_drift(
    novelty: Sequence[float], quantiles: Sequence[float], calibrated: int, level: float = _LEVEL
) -> Drift:
    """Return how far recent novelties lie from those of the calibration data (two-sample Kolmogorov–Smirnov).

    `quantiles` are the calibration's at equal steps, `calibrated` how many groups they stand for. If both come from one
    distribution, the limit is passed with a chance of about `level` or less; the quantiles' steps are allowed for.

    Raises:
        InvalidInput: fewer than `FEWEST_TASKS` novelties.
    """
    if len(novelty) < FEWEST_TASKS:
        raise InvalidInput(f"{len(novelty)} tasks are too few to see drift; expected at least {FEWEST_TASKS}.")
    recent, reference = np.sort(np.asarray(novelty, dtype=np.float64)), np.asarray(quantiles, dtype=np.float64)
    levels = np.linspace(0, 1, len(reference))
    expected = np.interp(recent, reference, levels, left=0.0, right=1.0)
    steps = np.arange(len(recent) + 1) / len(recent)
    distance = max((steps[1:] - expected).max(), (expected - steps[:-1]).max())
    scale = math.sqrt((len(recent) + calibrated) / (len(recent) * calibrated))
    limit = math.sqrt(-math.log(level / 2) / 2) * scale + 1 / (len(reference) - 1)
    return Drift(float(distance), limit, len(recent))
