"""Targets instead of thresholds: the dial is solved for "quality at least q" or for "at most $X a month"."""

import math
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.errors import InvalidInput
from pointsman.money import NANO, format_usd
from pointsman.policy.candidates import Booleans, Candidates, Floats, Integers
from pointsman.policy.escalation import escalated, is_certain
from pointsman.policy.strategies import cost_utility, lead
from pointsman.promises import Curve, DialPoint, Promises
from pointsman.types import Promise

DIALS: Final[tuple[float, ...]] = tuple(float(f"{dial:.6g}") for dial in np.logspace(-6, 1, 141))
"""Settings of the dial that curves are measured at, in USD per task: twenty a decade.

With ten, a quality target of 0.8 on public outcomes cost 19 % more: the least dial that keeps it lay between two.
"""


def best_models(utility: Floats, candidates: Candidates) -> Integers:
    """Return the model that `ranking` puts first, int64 (n_tasks,): ties go to the cheaper."""
    merit = np.where(candidates.is_able, utility, -np.inf)
    tied = merit >= merit.max(axis=1, keepdims=True)
    best: Integers = np.where(tied & candidates.is_able, candidates.cost_nanousd, np.inf).argmin(axis=1)
    return best


class Readings(msgspec.Struct, frozen=True):
    """The candidates of the same tasks at the depths that a profile reads; `margin` is the bundle's `deep_margin`.

    One depth only: the profiles "fast" and "deep". Both: "auto", which reads deep where the fast choice isn't clear.
    """

    fast: Candidates | None
    deep: Candidates | None
    margin: float = 0.0

    def choices(self, trade_usd: float, threshold: float | None = None) -> tuple[Integers, Booleans]:
        """Return which model each task goes to at a dial, and where the deep reading decided; both (n_tasks,)."""
        if self.fast is None or self.deep is None:
            only = self.fast or self.deep
            assert only is not None
            return _chosen(only, trade_usd, threshold), np.full(len(only.quality), self.fast is None)
        utility = cost_utility(self.fast, trade_usd)
        is_deep = lead(utility, self.fast) < self.margin
        if threshold is not None:
            is_deep |= ~is_certain(self.fast, utility, threshold, self.margin)
        fast, deep = _chosen(self.fast, trade_usd, threshold), _chosen(self.deep, trade_usd, threshold)
        return np.where(is_deep, deep, fast), is_deep

    def curve(self, dials: tuple[float, ...] = DIALS, threshold: float | None = None) -> Curve:
        """Return the predicted curve: means over the tasks that some model can do."""
        one = self.deep or self.fast
        assert one is not None
        rows = np.flatnonzero(one.is_able.any(axis=1))
        if not len(rows):
            raise InvalidInput("No model of the fleet can do any of these tasks; there is nothing to solve.")
        return tuple(self._point(dial, threshold, rows) for dial in dials)

    def _point(self, dial: float, threshold: float | None, rows: Integers) -> DialPoint:
        chosen, is_deep = self.choices(dial, threshold)
        return DialPoint(
            trade_usd=dial,
            quality=float(self._of("quality", chosen, is_deep)[rows].mean(dtype=np.float64)),
            cost_nanousd=math.ceil(self._of("cost_nanousd", chosen, is_deep)[rows].mean()),
        )

    def _of(self, name: str, chosen: Integers, is_deep: Booleans) -> npt.NDArray[np.float64]:
        tables = [getattr(depth or self.fast or self.deep, name) for depth in (self.fast, self.deep)]
        rows = np.arange(len(chosen))
        values: npt.NDArray[np.float64] = np.where(is_deep, tables[1][rows, chosen], tables[0][rows, chosen])
        return values


def _chosen(candidates: Candidates, trade_usd: float, threshold: float | None) -> Integers:
    chosen = best_models(cost_utility(candidates, trade_usd), candidates)
    return chosen if threshold is None else escalated(candidates, chosen, threshold)


def solve_quality(curve: Curve, quality: float) -> DialPoint:
    """Return the smallest dial whose promise holds: from the largest dial down, the last before a floor falls short.

    Fixed-sequence testing (Angelopoulos et al., arXiv 2110.01052): every dial is tested at the full level, because
    testing stops at the first that fails.

    Raises:
        InvalidInput: not even the largest dial's floor reaches the quality; the message says what can be promised.
    """
    solved = None
    for point in reversed(curve):
        if point.quality_floor is None or point.quality_floor < quality:
            break
        solved = point
    if solved is None:
        most = math.floor(1000 * (curve[-1].quality_floor or 0.0)) / 1000
        raise InvalidInput(
            f"target_quality is {quality:g}; the most that can be promised for this fleet is {most:.3f}. Lower the "
            "target, add a stronger model, or calibrate on more outcomes (pointsman target).",
            field="target_quality",
        )
    return solved


def solve_spend(curve: Curve, tasks_per_month: float, usd_per_month: float) -> DialPoint:
    """Return the largest dial whose expected spend is within `usd_per_month`.

    Raises:
        InvalidInput: a number isn't positive, or even the cheapest dial spends more; the message says how much.
    """
    for name, value in (("tasks_per_month", tasks_per_month), ("target_spend", usd_per_month)):
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise InvalidInput(f"{name} is {value!r:.80}; expected a finite number above 0.", field=name)
    within = [point for point in curve if point.cost_nanousd * tasks_per_month <= usd_per_month * NANO]
    if not within:
        least = min(point.cost_nanousd for point in curve) * tasks_per_month
        raise InvalidInput(
            f"target_spend is {format_usd(round(usd_per_month * NANO))} a month; {tasks_per_month:,.0f} tasks cost at "
            f"least {format_usd(math.ceil(least))}. Raise the target, or add a cheaper model.",
            field="target_spend",
        )
    return within[-1]


class Pledge(msgspec.Struct, frozen=True):
    """A quality target solved on a curve: what every decision may say of it. `withdrawn` says why none may."""

    quality: float
    confidence: float
    novelty_ceiling: float
    withdrawn: str | None = None

    def of(self, novelty: float, unable: int) -> Promise:
        """Return the promise of one decision: withdrawn where the task is unlike the calibration data's."""
        reason = self.withdrawn
        if reason is None and unable:
            reason = f"{unable} of the calibrated models {'was' if unable == 1 else 'were'} not able to do this task"
        if reason is None and novelty > self.novelty_ceiling:
            reason = (
                f"novelty {novelty:.3f} is above {self.novelty_ceiling:.3f}: of another kind than the calibration data"
            )
        return Promise(self.quality, self.confidence, reason is None, reason)


def pledge(
    promises: Promises, quality: float, fleet: dict[str, tuple[int, int]], digest: str, threshold: float | None
) -> Pledge:
    """Return what can be pledged of a fleet (prices as in `Promises.fleet`) under the bundle of this digest."""
    reason = None
    if promises.bundle not in (None, digest):
        reason = f"calibrated with bundle {promises.bundle}, and this is {digest}"
    elif set(fleet) != set(promises.fleet):
        reason = f"another fleet than calibrated: {_difference(set(fleet), set(promises.fleet))}"
    elif dearer := [model for model, prices in fleet.items() if prices != promises.fleet[model]]:
        reason = f"other prices than calibrated: {', '.join(dearer)}"
    elif threshold is not None:
        reason = f"escalation at {threshold:g} changes the calibrated choices"
    return Pledge(quality, promises.confidence, promises.novelty_ceiling, reason)


def _difference(present: set[str], calibrated: set[str]) -> str:
    parts = []
    if missing := sorted(calibrated - present):
        parts.append(f"without {', '.join(missing)}")
    if extra := sorted(present - calibrated):
        parts.append(f"with {', '.join(extra)}")
    return "; ".join(parts)
