"""Claims that a candidate beats its opponents, on differences prompt by prompt: pure statistics.

At a dial of t dollars for quality 1.0, two routers that cost different amounts are compared at equal cost by turning
the difference in cost into quality at the dial's own price: Δquality − Δcost / t. That is the difference in the very
utility the router maximises there, and to first order the vertical distance between the two cost–quality hulls (1 / t
is the slope of a hull where the router works on it). Being a mean over rows, it needs no hull to be picked on the rows
that judge it, so chance can't lend the router with more points a gain.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from pointsman_training.evaluation.bootstrap import Interval
from pointsman_training.gate.draws import Draws, interval_of
from pointsman_training.metrics import Doubles

Booleans = npt.NDArray[np.bool_]
Way = Literal["better at equal cost", "as good, and cheaper", "not shown"]

LEVEL: Final = 0.05
"""The chance, at most, that any claim is made of a candidate that doesn't deserve it (family-wise, Holm)."""
DIALS: Final = np.geomspace(1 / 3, 3, 11)
"""Where routers are compared at equal cost: dollars for quality 1.0, relative to the champion's default dial.

Much further out all routers send everything to the cheapest or to the best model, and differences drown.
"""
_CHUNK: Final = 64


@dataclass(frozen=True)
class Served:
    """What one router scores and costs (USD) on n prompts: at its default dial, and at k dials common to all."""

    quality: Doubles
    cost: Doubles
    quality_by_dial: Doubles
    cost_by_dial: Doubles


@dataclass(frozen=True)
class Contest:
    """A router minus one opponent on n prompts: `gain` (n,) in quality at equal cost, then both at their own dials."""

    opponent: str
    gain: Doubles
    quality: Doubles
    cost: Doubles


@dataclass(frozen=True)
class Claim:
    """One contest decided: mean differences with 95 % intervals (cost in USD per task), the p-value, Holm's of it."""

    opponent: str
    gain: Interval
    quality: Interval
    cost_usd: Interval
    p: float
    adjusted_p: float
    way: Way

    @property
    def holds(self) -> bool:
        """Whether the router beats the opponent, or equals it cheaper, among all claims made."""
        return self.adjusted_p <= LEVEL


def contest(opponent: str, ours: Served, theirs: Served, dials: Doubles) -> Contest:
    """Return the differences of two routers on the same prompts; `dials` (k,) in dollars for quality 1.0."""
    better = ours.quality_by_dial - theirs.quality_by_dial
    dearer = ours.cost_by_dial - theirs.cost_by_dial
    return Contest(
        opponent, (better - dearer / dials).mean(axis=1), ours.quality - theirs.quality, ours.cost - theirs.cost
    )


def claims(contests: Sequence[Contest], draws: Draws, margin: float) -> tuple[Claim, ...]:
    """Return the claim of every contest.

    A router is *better at equal cost* if its gain is above 0; it is *as good, and cheaper* if it costs less while
    neither quality nor gain is below −`margin`. Either is tested one-sided at half of `LEVEL`, which asks that a bound
    of the 95 % interval clears its limit. Holm's correction holds the level over all claims.
    """
    drawn = [_Means(*draws.means(np.stack([one.gain, one.quality, one.cost], axis=1)).T) for one in contests]
    p = np.array([_p_values(means, margin) for means in drawn])
    best = np.minimum(2 * p.min(axis=1), 1)
    adjusted = holm(best)
    return tuple(
        Claim(
            opponent=one.opponent,
            gain=interval_of(means.gain),
            quality=interval_of(means.quality),
            cost_usd=interval_of(means.cost),
            p=float(best[i]),
            adjusted_p=float(adjusted[i]),
            way=_way(p[i], adjusted[i]),
        )
        for i, (one, means) in enumerate(zip(contests, drawn, strict=True))
    )


@dataclass(frozen=True)
class _Means:
    """The mean differences of one contest in every draw, each (1 + draws, ...)."""

    gain: Doubles
    quality: Doubles
    cost: Doubles


def _way(p: Doubles, adjusted: float) -> Way:
    if adjusted > LEVEL:
        return "not shown"
    return "better at equal cost" if p[0] <= p[1] else "as good, and cheaper"


def _p_values(means: _Means, margin: float) -> Doubles:
    """Return the p-values of *better* and *as good, and cheaper*, (2, ...).

    The second has three parts that must all hold; its p-value is their greatest (intersection–union).
    """
    parts = [_p(means.quality > -margin), _p(means.gain > -margin), _p(means.cost < 0)]
    return np.array([_p(means.gain > 0), np.max(parts, axis=0)])


def _p(is_so: Booleans) -> Doubles:
    """Return the share of draws in which it isn't so, the sample itself counted as one more that isn't."""
    shares: Doubles = (1 + (~is_so[1:]).sum(axis=0)) / len(is_so)
    return shares


def holm(p: Doubles) -> Doubles:
    """Return Holm's adjusted p-values along the first axis: at most 1, in the order of p, never below it."""
    order = np.argsort(p, axis=0, kind="stable")
    left = np.arange(len(p), 0, -1).reshape(-1, *(1,) * (p.ndim - 1))
    raised = np.maximum.accumulate(np.take_along_axis(p, order, axis=0) * left, axis=0)
    adjusted = np.empty_like(raised)
    np.put_along_axis(adjusted, order, np.minimum(raised, 1), axis=0)
    return adjusted


def without_each(
    contests: Sequence[Contest], labels: npt.NDArray[np.str_], draws: Draws, margin: float
) -> dict[str, bool]:
    """Return for each label (n,) whether all claims hold on the rows of the others."""
    names = np.unique(labels)
    verdicts: dict[str, bool] = {}
    for start in range(0, len(names), _CHUNK):
        part = names[start : start + _CHUNK]
        is_theirs = np.asarray(labels[:, np.newaxis] == part)
        p = np.array([_p_values(_means_of(one, ~is_theirs, draws), margin) for one in contests])
        holds = holm(np.minimum(2 * p.min(axis=1), 1)).max(axis=0) <= LEVEL
        verdicts.update({str(name): bool(held) for name, held in zip(part, holds, strict=True)})
    return verdicts


def _means_of(one: Contest, is_kept: Booleans, draws: Draws) -> _Means:
    """Return the means over the rows kept (n, labels), (1 + draws, labels); NaN where a draw has none of them.

    No claim survives a NaN. Sums are over the rows kept, not differences of sums: rounding must not decide a tie.
    """
    sizes = draws.totals(is_kept)

    def means(values: Doubles) -> Doubles:
        sums = draws.totals(is_kept * values[:, np.newaxis])
        return np.asarray(np.divide(sums, sizes, out=np.full(sums.shape, np.nan), where=sizes > 0))

    return _Means(means(one.gain), means(one.quality), means(one.cost))
