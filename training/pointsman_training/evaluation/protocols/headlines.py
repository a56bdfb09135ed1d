"""Headline figures of a router on a contest, and how they spread over trainings."""

from collections.abc import Sequence
from typing import Final

import msgspec
import numpy as np
import numpy.typing as npt

from pointsman_training.evaluation.figures import SHARES, mean_prediction
from pointsman_training.evaluation.report import Prediction
from pointsman_training.evaluation.scores import apgr, pair_curve, perf_gain, relative_cost_at, spearman
from pointsman_training.evaluation.trial import Contest, Route
from pointsman_training.evaluation.words import number


class Headline(msgspec.Struct, frozen=True):
    """Figures of one router; log-loss, AUC and ECE are means over models, costs relative to the best single model's.

    `best_gain` is the best score on the curve relative to the best single model's, less 1.
    """

    log_loss: float
    auc: float
    ece: float
    difficulty_spearman: float
    cost_at_95: float
    cost_at_98: float
    cost_at_100: float
    best_gain: float
    apgr: float


class Spread(msgspec.Struct, frozen=True):
    """Mean and standard deviation (n − 1) of every figure over trainings; a deviation of one training is NaN."""

    trainings: int
    mean: Headline
    deviation: Headline


HEADS: Final = (
    "log-loss", "AUC", "ECE", "Spearman", "cost at 95 %", "at 98 %", "at 100 %", "best score", "APGR",
)  # fmt: skip
_FORMS: Final = (".4f", ".3f", ".3f", ".3f", ".3f", ".3f", ".3f", "+.2%", ".3f")


def headline_of(contest: Contest, route: Route) -> Headline:
    """Return the figures of a router that predicts chances."""
    chance = chance_of(route)
    prediction = mean_prediction(chance, contest.scores)
    cost, quality = route.points
    curve = pair_curve(route.margin, contest.scores[:, contest.strong], contest.scores[:, contest.weak])
    at_95, at_98, at_100 = (relative_cost_at(cost, quality, share, contest.reference_point) for share in SHARES)
    return Headline(
        prediction.log_loss,
        prediction.auc,
        prediction.ece,
        spearman(1 - chance.mean(axis=1), 1 - contest.scores.mean(axis=1)),
        at_95,
        at_98,
        at_100,
        perf_gain(quality, contest.reference_point),
        apgr(curve),
    )


def chance_of(route: Route) -> npt.NDArray[np.floating]:
    """Return the chances of a router that predicts some."""
    if route.chance is None:
        raise AssertionError(f"{route.name} predicts nothing")
    return route.chance


def spread(headlines: Sequence[Headline]) -> Spread:
    """Return mean and deviation of one or more trainings."""
    values = np.array([msgspec.structs.astuple(headline) for headline in headlines])
    deviation = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1], np.nan)
    return Spread(len(values), Headline(*values.mean(axis=0).tolist()), Headline(*deviation.tolist()))


def cells(spread: Spread) -> tuple[str, ...]:
    """Return "mean ± deviation" of every figure, the mean alone after one training."""
    pairs = zip(msgspec.structs.astuple(spread.mean), msgspec.structs.astuple(spread.deviation), _FORMS, strict=True)
    return tuple(
        number(mean, form) + (f" ± {number(deviation, form.lstrip('+'))}" if np.isfinite(deviation) else "")
        for mean, deviation, form in pairs
    )


def predicts(prediction: Prediction | None) -> tuple[str, str, str]:
    """Return log-loss, ECE and AUC; dashes where nothing is predicted."""
    if prediction is None:
        return ("–", "–", "–")
    return number(prediction.log_loss, ".4f"), number(prediction.ece), number(prediction.auc)
