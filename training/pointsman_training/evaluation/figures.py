"""Trial and routes → the figures of the report, and paired intervals of the differences."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from pointsman_training.evaluation.baselines import ORACLE
from pointsman_training.evaluation.bootstrap import (
    drawn_weights,
    of_draws,
    weighted_apgr,
    weighted_mean,
    weighted_relative_cost,
)
from pointsman_training.evaluation.report import (
    Difference,
    Line,
    ModelFigures,
    Points,
    Prediction,
    RouterFigures,
    Standing,
)
from pointsman_training.evaluation.scores import (
    aiq_published,
    aiq_true,
    apgr,
    brier,
    cost_save,
    cpt,
    ece,
    gap_to_oracle,
    hull,
    ogc,
    pair_curve,
    perf_gain,
    relative_cost_at,
    reliability,
    token_error,
)
from pointsman_training.evaluation.slices import mean_auc
from pointsman_training.evaluation.trial import Contest, Route, Trial
from pointsman_training.metrics import Doubles, auc, log_loss

Array = npt.NDArray[Any]
SHARES = (0.95, 0.98, 1.0)


def prediction(chance: Array, scores: Array) -> Prediction:
    """Return the figures of chances and scores (k,)."""
    return Prediction(
        log_loss(chance, scores), brier(chance, scores), ece(reliability(chance, scores)), auc(chance, scores)
    )


def mean_prediction(chance: Array, scores: Array) -> Prediction:
    """Return the means over models of the figures of chances and scores (n, m), each where it has scores."""
    known = np.isfinite(scores)
    each = [prediction(chance[rows, column], scores[rows, column]) for column, rows in enumerate(known.T) if rows.any()]
    return Prediction(
        log_loss=float(np.mean([one.log_loss for one in each])),
        brier=float(np.mean([one.brier for one in each])),
        ece=float(np.mean([one.ece for one in each])),
        auc=mean_auc(chance, scores),
    )


def model_figures(trial: Trial) -> tuple[ModelFigures, ...]:
    """Return the figures of every model."""
    cost, quality = trial.singles
    return tuple(
        ModelFigures(
            name,
            float(quality[place]),
            float(cost[place]),
            prediction(trial.chance[:, place], trial.scores[:, place]),
            token_error(trial.expected_tokens[:, place], trial.output_tokens[:, place]),
        )
        for place, name in enumerate(trial.models)
    )


def router_figures(trial: Contest, routes: Sequence[Route]) -> tuple[RouterFigures, ...]:
    """Return the figures of every router; the oracle must be among them."""
    strong, weak = trial.scores[:, trial.strong], trial.scores[:, trial.weak]
    oracle = next(route for route in routes if route.name == ORACLE)
    ceiling = apgr(pair_curve(oracle.margin, strong, weak))
    return tuple(_router(trial, route, ceiling) for route in routes)


def _router(trial: Contest, route: Route, ceiling: float) -> RouterFigures:
    curve = pair_curve(route.margin, trial.scores[:, trial.strong], trial.scores[:, trial.weak])
    cost, quality = route.points
    least, most = float(trial.singles[0].min()), float(trial.singles[0].max())
    reference, families = trial.reference_point, families_of(trial.examples.types)
    at_95, at_98, at_100 = (relative_cost_at(cost, quality, share, reference) for share in SHARES)
    return RouterFigures(
        name=route.name,
        setting=route.setting,
        prediction=None if route.chance is None else mean_prediction(route.chance, trial.scores),
        apgr=apgr(curve),
        cpt50=cpt(curve, 0.5),
        cpt80=cpt(curve, 0.8),
        ogc=ogc(apgr(curve), ceiling),
        aiq_true=aiq_true(cost, quality, least, most),
        aiq_published=aiq_published(cost, quality, most),
        cost_at_95=at_95,
        cost_at_98=at_98,
        cost_at_100=at_100,
        cost_save=cost_save(cost, quality, reference),
        perf_gain=perf_gain(quality, reference),
        best_quality=float(quality.max()),
        gap_to_oracle=gap_to_oracle(route.quality[:, int(quality.argmax())], trial.scores.max(axis=1), families),
    )


def families_of(types: npt.NDArray[np.str_]) -> npt.NDArray[np.str_]:
    """Return what stands before the slash of each task type: the benchmark's own parts, or nearly so."""
    return np.array([name.split("/")[0] for name in types.tolist()])


def line(route: Route) -> Line:
    """Return the curve of a router, points that differ only, by ascending cost."""
    cost, quality = route.points
    points = np.unique(np.stack([cost, quality], axis=1), axis=0)
    corners = hull(cost, quality)
    return Line(route.name, _points(points[:, 0], points[:, 1]), _points(*corners))


def _points(cost: Array, quality: Array) -> Points:
    return Points(tuple(cost.tolist()), tuple(quality.tolist()))


@dataclass(frozen=True)
class _Drawn:
    """One router: each statistic on all rows, then on every draw; log-loss is None without chances."""

    log_loss: Doubles | None
    apgr: Doubles
    costs: tuple[Doubles, ...]


def compare(
    trial: Contest, routes: Sequence[Route], draws: int, rng: np.random.Generator
) -> tuple[Standing, tuple[Difference, ...]]:
    """Return the intervals of the first router's figures, and of its differences to each of the others.

    The reference stays the same model in every draw.
    """
    weights = drawn_weights(trial.examples.groups, draws, rng)
    first, *others = (_drawn(trial, route, weights) for route in routes)
    if first.log_loss is None:
        raise AssertionError("the first router predicts nothing")
    standing = Standing(of_draws(first.log_loss), of_draws(first.apgr), *map(of_draws, first.costs))
    differences = tuple(
        Difference(
            route.name,
            None if other.log_loss is None else of_draws(first.log_loss - other.log_loss),
            of_draws(first.apgr - other.apgr),
            of_draws(first.costs[1] - other.costs[1]),
        )
        for route, other in zip(routes[1:], others, strict=True)
    )
    return standing, differences


def _drawn(trial: Contest, route: Route, weights: Doubles) -> _Drawn:
    gain = trial.scores[:, trial.strong] - trial.scores[:, trial.weak]
    reference = tuple(weighted_mean(part[:, trial.reference], weights) for part in (trial.costs, trial.scores))
    cost, quality = (weighted_mean(part, weights) for part in (route.cost, route.quality))
    return _Drawn(
        None if route.chance is None else weighted_mean(row_loss(route.chance, trial.scores), weights),
        weighted_apgr(route.margin, gain, weights),
        tuple(weighted_relative_cost(cost, quality, share, (reference[0], reference[1])) for share in SHARES),
    )


def row_loss(chance: Array, scores: Doubles) -> Doubles:
    """Return the cross-entropy of each prompt, the mean over its models with a score: (n, m) → (n,)."""
    p = np.clip(chance.astype(np.float64), 1e-4, 1 - 1e-4)
    loss: Doubles = np.nanmean(-(scores * np.log(p) + (1 - scores) * np.log(1 - p)), axis=1)
    return loss
