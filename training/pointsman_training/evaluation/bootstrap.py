"""Paired cluster bootstrap: groups of near-duplicate prompts are drawn with replacement, for all routers alike.

A draw is a weight per row, so every statistic is a weighted one, and all draws are computed at once.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from pointsman_training.metrics import Doubles
from pointsman_training.network import Integers

LEVEL: Final = 0.95
FEWEST_DRAWS: Final = 2_000
"""Fewer make intervals unsteady."""
_ROUNDING: Final = 1e-9
_CELLS: Final = 4_000_000
"""Draws are taken so many at a time that no matrix of draws by rows has more cells."""


@dataclass(frozen=True)
class Interval:
    """A value measured on all rows, and the percentile interval of its draws."""

    value: float
    low: float
    high: float

    @property
    def excludes_zero(self) -> bool:
        """Whether the interval lies on one side of 0."""
        return self.low > 0 or self.high < 0


def cluster_weights(groups: npt.NDArray[np.str_], draws: int, rng: np.random.Generator) -> Doubles:
    """Return how often each row is in each draw, (draws, n): whole groups, as many as there are, replaced."""
    names, member = np.unique(groups, return_inverse=True)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=draws)
    return counts[:, member].astype(np.float64)


def interval(value: float, draws: Doubles) -> Interval:
    """Return the 95 % percentile interval; draws in which the statistic is undefined (NaN) are left out."""
    defined = draws[np.isfinite(draws)]
    if not len(defined):
        return Interval(value, float("nan"), float("nan"))
    low, high = np.quantile(defined, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(value, float(low), float(high))


def of_draws(values: Doubles) -> Interval:
    """Return the interval of a statistic given on all rows first, then on every draw, (1 + draws,)."""
    return interval(float(values[0]), values[1:])


def drawn_weights(groups: npt.NDArray[np.str_], draws: int, rng: np.random.Generator) -> Doubles:
    """Return weights (1 + draws, n): all rows once, then `cluster_weights`."""
    return np.vstack([np.ones(len(groups)), cluster_weights(groups, draws, rng)])


def weighted_mean(values: npt.NDArray[Any], weights: Doubles) -> Doubles:
    """Return the means of values (n,) or (n, k) in each draw: (draws,) or (draws, k)."""
    total = weights.sum(axis=1)
    means: Doubles = (weights @ values) / (total if values.ndim == 1 else total[:, np.newaxis])
    return means


def weighted_spearman(left: npt.NDArray[Any], right: npt.NDArray[Any], weights: Doubles) -> Doubles:
    """Return the correlation of ranks (n,) in each draw; ranks are of all rows. NaN where one side is constant."""
    first, second = rankdata(left), rankdata(right)
    first, second = first - first.mean(), second - second.mean()
    a, b, aa, bb, ab = (
        weighted_mean(part, weights) for part in (first, second, first * first, second * second, first * second)
    )
    variance = (aa - a * a) * (bb - b * b)
    correlations: Doubles = np.divide(
        ab - a * b, np.sqrt(np.maximum(variance, 0)), out=np.full(len(weights), np.nan), where=variance > _ROUNDING
    )
    return correlations


def weighted_apgr(margin: npt.NDArray[Any], gain: npt.NDArray[Any], weights: Doubles) -> Doubles:
    """Return APGR in each draw; `margin` (n,) ranks rows, a tie is a straight line, `gain` (n,) is strong − weak."""
    order = np.argsort(-margin, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(margin[order]) != 0, True))
    return np.concatenate(
        [_apgr(order, ends, gain, weights[start : start + step]) for start, step in _portions(weights)]
    )


def _apgr(order: Integers, ends: Integers, gain: npt.NDArray[Any], weights: Doubles) -> Doubles:
    ordered = weights[:, order]
    share = np.cumsum(ordered, axis=1)[:, ends]
    recovered = np.cumsum(ordered * gain[order], axis=1)[:, ends]
    area = (
        np.diff(share, axis=1, prepend=0) * (recovered + np.hstack([np.zeros((len(weights), 1)), recovered[:, :-1]]))
    ).sum(axis=1) / 2
    whole = share[:, -1] * recovered[:, -1]
    areas: Doubles = np.divide(area, whole, out=np.full(len(weights), np.nan), where=recovered[:, -1] > _ROUNDING)
    return areas


def weighted_relative_cost(
    cost: Doubles, quality: Doubles, share: float, reference: tuple[Doubles, Doubles]
) -> Doubles:
    """Return `scores.relative_cost_at` in each draw: costs, qualities (draws, k), the reference's (draws,)."""
    reference_cost, reference_quality = reference
    enough = quality >= (share * reference_quality - _ROUNDING)[:, np.newaxis]
    least = np.where(enough, cost, np.inf).min(axis=1)
    shares: Doubles = np.minimum(least / reference_cost, 1.0)
    return shares


def _portions(weights: Doubles) -> list[tuple[int, int]]:
    step = max(1, _CELLS // weights.shape[1])
    return [(start, step) for start in range(0, len(weights), step)]
