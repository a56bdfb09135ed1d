"""What each setting of the dial was worth on calibration data: the table that targets are solved on."""

import itertools
import math
from typing import Final

import msgspec

LEVEL: Final = 0.95
"""The chance, over calibration sets, that a promise made from one holds."""


class DialPoint(msgspec.Struct, frozen=True):
    """One setting of the dial: mean quality, mean cost per task in nano-USD, and what the quality can be promised as.

    `quality_floor` is a lower confidence bound of the mean quality, None where only predictions are known.
    """

    trade_usd: float
    quality: float
    cost_nanousd: int
    quality_floor: float | None = None


Curve = tuple[DialPoint, ...]
"""Points of one profile, the dial ascending."""


class Promises(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The measured curve of one fleet by profile, and the data that it holds for.

    `fleet` gives the nano-USD per million input and output tokens of each model. `evidence` says how the predictions
    behind it were kept apart from the outcomes: "cross-fitted" or "held out". `novelty_quantiles` are the novelty of
    the calibration prompts at 0, 1, … 100 %; tasks above `novelty_ceiling` are of another kind. `bundle` is the digest
    of the bundle that predicted, None inside that bundle.
    """

    confidence: float
    fleet: dict[str, tuple[int, int]]
    curves: dict[str, Curve]
    source: str
    evidence: str
    prompts: int
    groups: int
    novelty_ceiling: float
    novelty_quantiles: tuple[float, ...]
    bundle: str | None = None

    def __post_init__(self) -> None:
        """Refuse a table that no target can be solved on; raises ValueError, which a decoder reports with its place."""
        if not 0 < self.confidence < 1:
            raise ValueError("confidence must be between 0 and 1")
        if len(self.novelty_quantiles) != 101 or not _ascends(self.novelty_quantiles):
            raise ValueError("novelty_quantiles must be 101 numbers that ascend")
        for profile, curve in self.curves.items():
            if not curve or not all(map(_is_sound, curve)):
                raise ValueError(f"the curve of {profile!r} must have points with a floor, and shares from 0 to 1")
            dials = [point.trade_usd for point in curve]
            if not _ascends(dials) or not 0 < dials[0] <= dials[-1] < math.inf:
                raise ValueError(f"the dials of {profile!r} must ascend, above 0")


def _is_sound(point: DialPoint) -> bool:
    floor = point.quality_floor
    return floor is not None and 0 <= floor <= 1 and 0 <= point.quality <= 1 and point.cost_nanousd >= 0


def _ascends(values: "list[float] | tuple[float, ...]") -> bool:
    return all(low <= high for low, high in itertools.pairwise(values))
