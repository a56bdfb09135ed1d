"""What a fleet's dial is worth on prompts with outcomes: mean quality with a lower bound, mean cost, by profile.

Groups of near-duplicate prompts are the exchangeable unit: a group counts once, with the mean of its prompts, so every
value is in [0, 1] and the bound needs no other assumption.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy.special import xlogy
from scipy.stats import binom

from pointsman.errors import InvalidOutcomes
from pointsman.money import NANO
from pointsman.policy import DIALS, Candidates, Readings
from pointsman.promises import LEVEL, Curve, DialPoint, Promises
from pointsman_training.crossfit import DEPTHS
from pointsman_training.examples import Dataset
from pointsman_training.learned import Learned, fleet_outcomes
from pointsman_training.metrics import Doubles
from pointsman_training.network import Floats
from pointsman_training.novelty import Novelty

FEWEST_GROUPS: Final = 30
KEPT_NOVELTY: Final = 0.99
"""The novelty ceiling is this quantile of the calibration prompts': few of their kind lie above it."""

_MTOK: Final = 1_000_000
_HALVINGS: Final = 30
_DIGITS: Final = 5
_LEAST_RISK: Final = 1e-12
_ROUNDING: Final = 1e-9


@dataclass(frozen=True)
class Predicted:
    """What one depth predicts for n prompts and m models: chances and expected costs in USD, both (n, m)."""

    chance: Floats
    costs: Doubles

    def candidates(self) -> Candidates:
        """Return them as serving's table, every model able; token counts, which the dial doesn't need, are 0."""
        nothing = np.zeros(self.chance.shape, dtype=np.int64)
        cost = np.ceil(self.costs * NANO).astype(np.int64)
        able = np.ones(self.chance.shape, dtype=bool)
        return Candidates(self.chance.astype(np.float32), cost, nothing, nothing, able)


@dataclass(frozen=True)
class Evidence:
    """Outcomes beside predictions made without them: scores and real costs in USD (n, m), groups and novelty (n,).

    `kind` says how the predictions were kept apart: "cross-fitted" or "held out".
    """

    predicted: Mapping[str, Predicted]
    scores: Floats
    costs: Doubles
    groups: npt.NDArray[np.str_]
    novelty: Floats
    source: str
    kind: str

    def complete(self) -> "Evidence":
        """Return the prompts that every model has a score for."""
        return self.take(np.asarray(np.isfinite(self.scores).all(axis=1)))

    def take(self, rows: npt.NDArray[np.bool_]) -> "Evidence":
        """Return these rows."""
        predicted = {depth: Predicted(table.chance[rows], table.costs[rows]) for depth, table in self.predicted.items()}
        arrays = (self.scores[rows], self.costs[rows], self.groups[rows], self.novelty[rows])
        return Evidence(predicted, *arrays, self.source, self.kind)


def cross_fitted_promises(dataset: Dataset, learned: Learned, novelty: Novelty) -> Promises | None:
    """Return what a bundle carries: promises of its fleet on the main source, on cross-fitted predictions.

    The heads behind each prediction never saw its group; the few numbers of the calibration did. None where too few
    groups have scores of all models.
    """
    rows = np.flatnonzero(dataset.is_train & (dataset.sources == dataset.main_source))
    scores, costs = fleet_outcomes(dataset, learned.fleet, rows)
    predicted: dict[str, Predicted] = {}
    for depth in DEPTHS:
        outputs = learned.held_out[depth].take(rows)
        expected = learned.predicted_costs(outputs, dataset.input_tokens[rows])
        predicted[depth] = Predicted(learned.chances(depth, outputs), expected)
    distance = novelty.distance(dataset.features.fast[rows])
    levels = np.interp(distance, novelty.quantiles, np.linspace(0, 1, len(novelty.quantiles)))
    groups = np.array([dataset.groups[row] for row in rows])
    evidence = Evidence(
        predicted, scores, costs, groups, levels.astype(np.float32), dataset.main_source, "cross-fitted"
    )
    prices = fleet_prices(learned.fleet.names, learned.fleet.input_usd, learned.fleet.output_usd)
    try:
        return calibrate_promises(evidence, prices, learned.deep_margin)
    except InvalidOutcomes:
        return None


def fleet_prices(models: Sequence[str], input_usd: Doubles, output_usd: Doubles) -> dict[str, tuple[int, int]]:
    """Return nano-USD per million input and output tokens of each model, for prices (m,) in USD per token."""
    rates = zip(
        *(np.rint(usd * NANO * _MTOK).astype(np.int64).tolist() for usd in (input_usd, output_usd)), strict=True
    )
    return dict(zip(models, rates, strict=True))


def calibrate_promises(evidence: Evidence, fleet: Mapping[str, tuple[int, int]], margin: float) -> Promises:
    """Return the curves of the profiles "fast", "deep" and "auto", each point with its lower bound.

    `fleet` gives nano-USD per million input and output tokens, in the order of the evidence's models; `margin` is the
    bundle's `deep_margin`.

    Raises:
        InvalidOutcomes: too few groups of prompts have scores of all models.
    """
    whole = evidence.complete()
    ceiling = float(np.quantile(whole.novelty, KEPT_NOVELTY)) if len(whole.novelty) else 1.0
    usual = whole.take(whole.novelty <= ceiling)
    names, member = np.unique(usual.groups, return_inverse=True)
    if len(names) < FEWEST_GROUPS:
        raise InvalidOutcomes(
            f"{len(names)} groups of prompts of {evidence.source!r} have scores of all of {', '.join(fleet)}; a "
            f"promise needs at least {FEWEST_GROUPS}. Add outcomes, or name fewer models."
        )
    tables = {depth: table.candidates() for depth, table in usual.predicted.items()}
    fast, deep = tables["fast"], tables["deep"]
    profiles = {
        "fast": Readings(fast, None),
        "deep": Readings(None, deep),
        "auto": Readings(fast, deep, margin),
    }
    quantiles = np.quantile(usual.novelty.astype(np.float64), np.linspace(0, 1, 101)).round(_DIGITS)
    return Promises(
        confidence=LEVEL,
        fleet=dict(fleet),
        curves={name: _curve(readings, usual, member) for name, readings in profiles.items()},
        source=evidence.source,
        evidence=evidence.kind,
        prompts=len(usual.scores),
        groups=len(names),
        novelty_ceiling=round(ceiling, _DIGITS),
        novelty_quantiles=tuple(np.maximum.accumulate(quantiles).tolist()),
    )


def _curve(readings: Readings, evidence: Evidence, place: npt.NDArray[np.int64]) -> Curve:
    """Return a point for every dial that chooses otherwise than the one before it."""
    rows = np.arange(len(evidence.scores))
    dials: list[float] = []
    chosen: list[npt.NDArray[np.int64]] = []
    for dial in DIALS:
        choice, _ = readings.choices(dial)
        if not chosen or (choice != chosen[-1]).any():
            dials.append(dial)
            chosen.append(choice)
    picks = np.stack(chosen, axis=1)
    quality = group_means(evidence.scores[rows[:, np.newaxis], picks], place)
    cost = group_means(evidence.costs[rows[:, np.newaxis], picks], place).mean(axis=0)
    floors = lower_bounds(quality.mean(axis=0), len(quality))
    return tuple(
        DialPoint(
            trade_usd=dial,
            quality=round(float(mean), _DIGITS),
            cost_nanousd=int(np.ceil(round(usd * NANO, 3))),
            quality_floor=float(np.floor(floor * 10**_DIGITS) / 10**_DIGITS),
        )
        for dial, mean, usd, floor in zip(dials, quality.mean(axis=0), cost, floors, strict=True)
    )


def group_means(values: npt.NDArray[np.floating], place: npt.NDArray[np.int64]) -> Doubles:
    """Return the mean of each group, (n_groups, k), for values (n, k); `place` (n,) is each row's group."""
    sums = np.zeros((int(place.max()) + 1, values.shape[1]))
    np.add.at(sums, place, values)
    means: Doubles = sums / np.bincount(place)[:, np.newaxis]
    return means


def lower_bounds(means: Doubles, count: int, miss: float = 1 - LEVEL) -> Doubles:
    """Return a lower bound of the expectation behind each mean of `count` independent values in [0, 1]; both (k,).

    It is the greatest expectation that the mean shows to be exceeded; with a chance of at most `miss` it is too high.
    """
    low, high = np.zeros_like(means), means.copy()
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        is_exceeded = exceeds(means, count, middle, miss)
        low, high = np.where(is_exceeded, middle, low), np.where(is_exceeded, high, middle)
    return low


def exceeds(means: Doubles, count: int, expectation: Doubles | float, miss: float = 1 - LEVEL) -> npt.NDArray[np.bool_]:
    """Return where means of `count` independent values in [0, 1] show a greater expectation than this.

    Where the expectation isn't greater, that is said with a chance of at most `miss`, by the p-value of Hoeffding and
    Bentkus (Bates et al., arXiv 2101.02703; Angelopoulos et al., arXiv 2110.01052). A betting bound was 2 to 11 %
    tighter on public outcomes, but depends on the order of the values; this one doesn't.
    """
    risk = np.clip(1 - np.asarray(expectation, dtype=np.float64), _LEAST_RISK, 1 - _LEAST_RISK)
    loss = np.minimum(1 - means, risk)
    divergence = xlogy(loss, loss / risk) + xlogy(1 - loss, (1 - loss) / (1 - risk))
    hoeffding = np.exp(-count * divergence)
    bentkus = np.e * binom.cdf(np.ceil(count * (1 - means) - _ROUNDING), count, risk)
    exceeded: npt.NDArray[np.bool_] = np.minimum(hoeffding, bentkus) <= miss
    return exceeded
