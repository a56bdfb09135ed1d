"""Weights of the signs, learned from logged answers whose quality became known."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman.errors import InvalidOutcomes
from pointsman.verification.belief import ASSUMED_BELIEF, MOST_STRENGTH, Belief, Calibration, Fit
from pointsman.verification.shared_demand import Doubles
from pointsman.verification.signals import SIGNALS, Signals

FEWEST_ROWS: Final = 200
FEWEST_OF_A_KIND: Final = 20
FOLDS: Final = 5
BINS: Final = 10
SPREAD_OF_WEIGHTS: Final = 1.0
"""How far weights are expected from the assumed ones, in logits: one standard deviation of their prior."""

_STEPS: Final = 50
_CLOSE: Final = 1e-8
_LEAST: Final = 1e-6


class Judged(msgspec.Struct, frozen=True):
    """A logged answer: what was seen of it, the quality predicted of its model, the quality it turned out to have."""

    signals: Signals
    prior: float
    quality: float


def fit_belief(rows: Sequence[Judged]) -> Belief:
    """Return weights learned from logged answers, calibrated, with their accuracy on rows that weights didn't see.

    Logistic regression on the prior's logit and the signs, held near the assumed weights where data are few; beta
    calibration on cross-fitted predictions. Qualities between 0 and 1 count as shares. The same rows give the same
    weights; rows next to each other share a fold, so that near-duplicates logged together do.

    Raises:
        InvalidOutcomes: fewer than `FEWEST_ROWS`, too few good or bad ones, or a number out of range.
    """
    _check(rows)
    table = np.array([_features(row) for row in rows])
    quality = np.array([row.quality for row in rows])
    centre = _as_vector(ASSUMED_BELIEF)
    apart = _cross_fitted(table, quality, centre)
    calibration = _calibrated(_chance(apart), quality)
    weights = _logistic(table, quality, centre, SPREAD_OF_WEIGHTS)
    prior = np.array([row.prior for row in rows])
    chance = _chance(_cross_calibrated(apart, quality))
    fit = Fit(
        rows=len(rows),
        auc=max(_auc(apart - weights[1] * table[:, 1], quality), 0.5),
        ece=_ece(chance, quality),
        prior_ece=_ece(prior, quality),
    )
    return _as_belief(weights, calibration, fit)


def _check(rows: Sequence[Judged]) -> None:
    if len(rows) < FEWEST_ROWS:
        raise InvalidOutcomes(
            f"there are {len(rows)} judged answers; expected {FEWEST_ROWS} or more. "
            "Until then the assumed weights serve."
        )
    for place, row in enumerate(rows, start=1):
        for name, value in (("prior", row.prior), ("quality", row.quality)):
            if not 0 <= value <= 1:
                raise InvalidOutcomes(f"row {place}: {name} is {value!r}; expected a number from 0 to 1.", field=name)
    good = sum(row.quality >= 0.5 for row in rows)
    if not FEWEST_OF_A_KIND <= good <= len(rows) - FEWEST_OF_A_KIND:
        raise InvalidOutcomes(
            f"{good} of {len(rows)} judged answers are good; expected {FEWEST_OF_A_KIND} or more of either kind."
        )


def _features(row: Judged) -> list[float]:
    """Return 1, the prior's logit, and for each sign how well and how ill it is, both 0 where it doesn't apply."""
    kept = min(max(row.prior, _LEAST), 1 - _LEAST)
    found = [1.0, float(np.log(kept / (1 - kept)))]
    for name in SIGNALS:
        value = getattr(row.signals, name)
        strength = 0.0 if value is None else min(value, MOST_STRENGTH)
        found += [0.0, 0.0] if value is None else [1 - strength, strength]
    return found


def _as_vector(belief: Belief) -> Doubles:
    pairs = [(belief.well[name], belief.ill[name]) for name in SIGNALS]
    return np.array([belief.intercept, belief.prior_slope, *(value for pair in pairs for value in pair)])


def _as_belief(weights: Doubles, calibration: Calibration, fit: Fit) -> Belief:
    well = dict(zip(SIGNALS, weights[2::2].tolist(), strict=True))
    ill = dict(zip(SIGNALS, weights[3::2].tolist(), strict=True))
    return Belief(well, ill, float(weights[0]), float(weights[1]), calibration, fit)


def _logistic(table: Doubles, quality: Doubles, centre: Doubles, spread: float) -> Doubles:
    """Return the likeliest weights under a normal prior around `centre`, by Newton's method with halved steps."""
    weights, pull = centre.copy(), 1 / spread**2

    def loss(at: Doubles) -> float:
        logits = table @ at
        return float(np.logaddexp(0, logits).sum() - quality @ logits + pull / 2 * ((at - centre) ** 2).sum())

    now = loss(weights)
    for _ in range(_STEPS):
        chance = _chance(table @ weights)
        slope = table.T @ (chance - quality) + pull * (weights - centre)
        bend = (table.T * (chance * (1 - chance))) @ table + pull * np.eye(len(weights))
        step = np.linalg.solve(bend, slope)
        while loss(weights - step) > now and np.abs(step).max() > _CLOSE:
            step = step / 2
        weights = weights - step
        now = loss(weights)
        if np.abs(step).max() < _CLOSE:
            break
    return weights


def _folds(n: int) -> npt.NDArray[np.int64]:
    return np.arange(n) * FOLDS // n


def _cross_fitted(table: Doubles, quality: Doubles, centre: Doubles) -> Doubles:
    """Return logits of rows by weights that were learned from the other folds."""
    folds, logits = _folds(len(quality)), np.zeros(len(quality))
    for fold in range(FOLDS):
        held = folds == fold
        logits[held] = table[held] @ _logistic(table[~held], quality[~held], centre, SPREAD_OF_WEIGHTS)
    return logits


def _cross_calibrated(logits: Doubles, quality: Doubles) -> Doubles:
    folds, found = _folds(len(quality)), np.zeros(len(quality))
    for fold in range(FOLDS):
        held = folds == fold
        found[held] = _calibrated(_chance(logits[~held]), quality[~held]).logit(_chance(logits[held]))
    return found


def _calibrated(chance: Doubles, quality: Doubles) -> Calibration:
    kept = np.clip(chance, _LEAST, 1 - _LEAST)
    table = np.stack([np.log(kept), -np.log1p(-kept), np.ones(len(kept))], axis=1)
    a, b, c = _logistic(table, quality, np.array([1.0, 1.0, 0.0]), SPREAD_OF_WEIGHTS).tolist()
    return Calibration(max(a, 0.0), max(b, 0.0), c)


def _auc(score: Doubles, quality: Doubles) -> float:
    """Return how often a good answer scores above a bad one, ties half."""
    good, bad = score[quality >= 0.5], np.sort(score[quality < 0.5])
    below = np.searchsorted(bad, good, "left") + np.searchsorted(bad, good, "right")
    return float(below.sum() / (2 * len(good) * len(bad)))


def _ece(chance: Doubles, quality: Doubles) -> float:
    parts = np.array_split(np.argsort(chance, kind="stable"), BINS)
    return float(sum(abs(chance[part].mean() - quality[part].mean()) * len(part) for part in parts) / len(chance))


def _chance(logits: Doubles) -> Doubles:
    found: Doubles = 1 / (1 + np.exp(-np.clip(logits, -500, 500)))
    return found
