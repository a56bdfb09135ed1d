"""Metric functions: small, pure, each on plain arrays. Definitions follow the papers named; NaN means undefined.

Routing between a weak and a strong model (RouteLLM, arXiv 2406.18665) is exact: all n + 1 points, ties in random order.
Routing among many is read off (cost, quality) points (RouterBench, arXiv 2403.12031; LLMRouterBench).
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata, spearmanr

from pointsman_training.metrics import ECE_BINS, Doubles

Array = npt.NDArray[Any]

HARD_SHARE: Final = 0.2
"""A prompt is hard where at most this share of the models solves it."""

_ROUNDING: Final = 1e-9
"""Two means that differ by less are the same: a target met exactly counts as met."""


@dataclass(frozen=True)
class PairCurve:
    """Performance gap recovered (PGR) by share of calls to the strong model: n + 1 points, shares from 0 to 1."""

    strong_share: Doubles
    recovered: Doubles


@dataclass(frozen=True)
class Bins:
    """A reliability table: mean prediction, mean outcome and share of the cells, per bin."""

    predicted: Doubles
    observed: Doubles
    share: Doubles


def pair_curve(margin: Array, strong: Array, weak: Array) -> PairCurve:
    """Return the curve of sending the greatest margins to the strong model first; arrays (n,).

    Within a tie every order is equally likely: the curve is the expected one, a straight line across the tie. NaN where
    the strong model isn't better on the whole.
    """
    gain = strong.astype(np.float64) - weak
    _, tie, size = np.unique(-margin, return_inverse=True, return_counts=True)
    expected = (np.bincount(tie, weights=gain) / size)[np.sort(tie)]
    recovered = np.append(0.0, np.cumsum(expected))
    total = gain.sum() if gain.sum() > _ROUNDING else np.nan
    return PairCurve(np.linspace(0, 1, len(gain) + 1), recovered / total)


def apgr(curve: PairCurve) -> float:
    """Return the average performance gap recovered, ∫ PGR over the share of strong calls; 0.5 is a random router."""
    return float(np.trapezoid(curve.recovered, curve.strong_share))


def cpt(curve: PairCurve, target: float) -> float:
    """Return the call-performance threshold: the least share of strong calls that recovers `target` of the gap."""
    reached = np.flatnonzero(curve.recovered >= target - _ROUNDING)
    return float(curve.strong_share[reached[0]]) if len(reached) else float("nan")


def ogc(value: float, oracle: float) -> float:
    """Return the share of the oracle's gain over a random router, both given as APGR."""
    return (value - 0.5) / (oracle - 0.5) if oracle > 0.5 + _ROUNDING else float("nan")


def hull(cost: Array, quality: Array) -> tuple[Doubles, Doubles]:
    """Return the corners of the non-decreasing concave hull above points (k,), by ascending cost.

    Every point of it can be had by mixing two of the points at random (RouterBench calls it the convex hull).
    """
    corners: list[tuple[float, float]] = []
    for x, y in sorted(zip(cost.tolist(), (-quality).tolist(), strict=True)):
        point = (x, -y)
        if corners and point[1] <= corners[-1][1]:
            continue
        while len(corners) > 1 and _turns_up(corners[-2], corners[-1], point):
            corners.pop()
        corners.append(point)
    x_of, y_of = zip(*corners, strict=True)
    return np.array(x_of, dtype=np.float64), np.array(y_of, dtype=np.float64)


def _turns_up(first: tuple[float, float], second: tuple[float, float], third: tuple[float, float]) -> bool:
    rise = (second[1] - first[1]) * (third[0] - first[0])
    return rise <= (third[1] - first[1]) * (second[0] - first[0])


def area(cost: Array, quality: Array, least: float, most: float) -> float:
    """Return ∫ of a piecewise linear curve from `least` to `most`, flat beyond its ends; `cost` ascends."""
    inner = cost[(cost > least) & (cost < most)]
    grid = np.concatenate([[least], inner, [most]])
    return float(np.trapezoid(np.interp(grid, cost, quality), grid))


def aiq_true(cost: Array, quality: Array, least: float, most: float) -> float:
    """Return the average improvement in quality: the mean height of the hull between two costs common to all routers.

    Below its own cheapest point a router is mixed with not answering, (0, 0).
    """
    if most <= least:
        return float("nan")
    corners = hull(np.append(0.0, cost), np.append(0.0, quality))
    return area(*corners, least, most) / (most - least)


def aiq_published(cost: Array, quality: Array, most: float) -> float:
    """Return AIQ as RouterBench's code computes it: from the router's own cheapest point, divided by the largest cost.

    So a router that can't be cheap loses little, and none reaches 1 (withmartian/routerbench, evaluation/AIQ.py).
    """
    corners = hull(cost, quality)
    return area(*corners, float(corners[0][0]), most) / most if most > corners[0][0] else 0.0


def relative_cost_at(cost: Array, quality: Array, share: float, reference: tuple[float, float]) -> float:
    """Return the least cost, relative to the reference's (cost, quality), at `share` of its quality; 1 if never.

    Whoever doesn't get there can use the reference itself, so no router pays more than 1.
    """
    enough = cost[quality >= share * reference[1] - _ROUNDING]
    return float(min(enough.min() / reference[0], 1.0)) if len(enough) else 1.0


def cost_save(cost: Array, quality: Array, reference: tuple[float, float]) -> float:
    """Return 1 − (least cost at no less than the reference's quality) / its cost; NaN if never (LLMRouterBench)."""
    enough = cost[quality >= reference[1] - _ROUNDING]
    return float(1 - enough.min() / reference[0]) if len(enough) else float("nan")


def perf_gain(quality: Array, reference: tuple[float, float]) -> float:
    """Return the relative gain of the best quality over the reference's (LLMRouterBench)."""
    return float((quality.max() - reference[1]) / reference[1])


def gap_to_oracle(achieved: Array, best: Array, datasets: Array) -> float:
    """Return Gap@O: 1 − achieved / best score, the mean over datasets of these ratios; arrays (n,).

    `best` is the greatest score of any model on a prompt; datasets that nobody solves are left out (LLMRouterBench).
    """
    gaps = []
    for name in np.unique(datasets):
        rows = datasets == name
        if best[rows].sum() > 0:
            gaps.append(1 - achieved[rows].sum() / best[rows].sum())
    return float(np.mean(gaps)) if gaps else float("nan")


def is_hard(scores: Array, most: float = HARD_SHARE) -> npt.NDArray[np.bool_]:
    """Return which prompts some model solves, but at most a share `most` of them; scores (n, m), solved above 0.5."""
    share = (scores > 0.5).mean(axis=1)
    hard: npt.NDArray[np.bool_] = (share > 0) & (share <= most + _ROUNDING)
    return hard


def hard_recall(achieved: Array, scores: Array, most: float = HARD_SHARE) -> float:
    """Return the share of hard prompts that the chosen models, with scores `achieved` (n,), solve; NaN without any."""
    hard = is_hard(scores, most)
    return float((achieved[hard] > 0.5).mean()) if hard.any() else float("nan")


def entropy(shares: Array) -> float:
    """Return the entropy in bits of shares that add up to 1: 0 where one has all, log2(k) where k have the same."""
    positive = shares[shares > 0].astype(np.float64)
    return float(max(0.0, -(positive * np.log2(positive)).sum()))


def brier(chance: Array, scores: Array) -> float:
    """Return the mean squared error of chances."""
    return float(np.mean((chance.astype(np.float64) - scores) ** 2))


def reliability(chance: Array, scores: Array, bins: int = ECE_BINS) -> Bins:
    """Return the equal-mass reliability table of chances and scores (k,).

    Equal chances share a bin, the one of their middle rank, so that neither order nor ties make a difference; without
    ties it has the bins of `metrics.ece`.
    """
    _, place = np.unique(bin_places(chance, bins), return_inverse=True)
    count = np.bincount(place)
    predicted = np.bincount(place, weights=chance) / count
    return Bins(predicted, np.bincount(place, weights=scores) / count, count / len(chance))


def bin_places(chance: Array, bins: int) -> npt.NDArray[np.intp]:
    """Return the bin of each chance (k,), 0 to `bins` − 1, as `reliability` has it; a bin may be empty."""
    sizes = [len(part) for part in np.array_split(np.arange(len(chance)), bins)]
    return np.asarray(np.searchsorted(np.cumsum(sizes), np.ceil(rankdata(chance)), side="left"))


def ece(bins: Bins) -> float:
    """Return the expected calibration error of a reliability table."""
    return float((np.abs(bins.predicted - bins.observed) * bins.share).sum())


def spearman(left: Array, right: Array) -> float:
    """Return the rank correlation; NaN where one side is constant."""
    if np.ptp(left) == 0 or np.ptp(right) == 0:
        return float("nan")
    return float(spearmanr(left, right).statistic)


def token_error(predicted: Array, actual: Array) -> float:
    """Return the median of |ln(predicted / actual)| where the actual tokens are known and not 0."""
    known = np.isfinite(actual) & (actual > 0)
    return float(np.median(np.abs(np.log(predicted[known] / actual[known])))) if known.any() else float("nan")
